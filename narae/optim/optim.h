#pragma once

// Optimisers, gradient clipping and schedules.
#include "narae/optim/adagrad.h"
#include "narae/optim/adam.h"
#include "narae/optim/clip.h"
#include "narae/optim/optimizer.h"
#include "narae/optim/rmsprop.h"
#include "narae/optim/schedule.h"
#include "narae/optim/sgd.h"
