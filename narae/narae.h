#pragma once

// What a training program needs: tensors, operators, modules, optimisers, data and files.
#include "narae/core/error.h"
#include "narae/data/catalog.h"
#include "narae/data/loader.h"
#include "narae/graph/eval.h"
#include "narae/graph/grad.h"
#include "narae/graph/tensor.h"
#include "narae/io/npy.h"
#include "narae/io/safetensors.h"
#include "narae/nn/nn.h"
#include "narae/ops/ops.h"
#include "narae/optim/optim.h"
