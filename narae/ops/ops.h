#pragma once

// All operators.
#include "narae/ops/activation.h"
#include "narae/ops/checkpoint.h"
#include "narae/ops/conv.h"
#include "narae/ops/cross_entropy.h"
#include "narae/ops/cumulative.h"
#include "narae/ops/dropout.h"
#include "narae/ops/elementwise.h"
#include "narae/ops/index.h"
#include "narae/ops/matmul.h"
#include "narae/ops/norm.h"
#include "narae/ops/pool.h"
#include "narae/ops/random.h"
#include "narae/ops/reduce.h"
#include "narae/ops/softmax.h"
#include "narae/ops/sort.h"
#include "narae/ops/view.h"
