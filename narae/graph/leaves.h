#pragma once

#include "narae/graph/op.h"

namespace narae {

/// A leaf that holds numbers: Tensor(Array).
extern const Op& data_op;
/// A leaf that holds one number of the host program (a learning rate, `2.0` in an expression): an input at run time.
extern const Op& scalar_op;
/// The handle that names a variable. Operators never see it: they read the current version.
extern const Op& variable_op;
/// A version of a variable. Inputs: none once it is stored, else (the version before, its value).
extern const Op& version_op;
/// Result k of an operator with several; k is in Node::integer and in the attributes.
extern const Op& output_op;

}  // namespace narae
