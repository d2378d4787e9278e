#pragma once

// Modules, layers, initialisers and losses.
#include "narae/nn/activation.h"
#include "narae/nn/conv.h"
#include "narae/nn/dropout.h"
#include "narae/nn/embedding.h"
#include "narae/nn/filters.h"
#include "narae/nn/fine_tune.h"
#include "narae/nn/flatten.h"
#include "narae/nn/init.h"
#include "narae/nn/linear.h"
#include "narae/nn/loss.h"
#include "narae/nn/module.h"
#include "narae/nn/norm.h"
#include "narae/nn/pool.h"
#include "narae/nn/recompute.h"
#include "narae/nn/sequential.h"
#include "narae/nn/squeeze_excitation.h"
