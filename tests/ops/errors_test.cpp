// What is wrong is said where it was written, with the operator's name and the shapes or types.
#include <gtest/gtest.h>

#include <functional>

#include "narae/ops/ops.h"

namespace narae {
namespace {

constexpr std::int64_t one = 1;

struct Mistake {
  const char* name;
  std::function<Tensor()> write;
  std::vector<const char*> says;
};

const std::vector<Mistake>& mistakes() {
  static const Tensor a = zeros({2, 3});
  static const Tensor b = zeros({2, 4});
  static const Tensor wide = zeros({2, 3}, DType::f64);
  static const Tensor whole = zeros({2, 3}, DType::i64);
  static const Tensor mask = zeros({2, 3}, DType::boolean);
  static const Tensor half = zeros({2, 3}, DType::f16);
  static const Tensor heads = zeros({2, 5, 4, 3});
  static const Tensor none;
  static const std::vector<Mistake> all = {
      {"add_shapes", [] { return a + b; }, {"add", "(2, 3)", "(2, 4)"}},
      {"add_types", [] { return a + wide; }, {"add", "f32", "f64", "cast one of them"}},
      {"add_half", [] { return half + half; }, {"add", "f16", "cast it first"}},
      {"add_undefined", [] { return a + none; }, {"add", "argument 2", "undefined"}},
      {"number_beside_integers", [] { return whole * 2.5; }, {"mul", "2.5", "i64", "cast"}},
      {"number_too_large", [] { return zeros({1}, DType::u8) + 256; }, {"add", "256", "u8"}},
      {"number_beside_nothing", [] { return 2.0 * none; }, {"mul", "undefined"}},
      {"exp_integers", [] { return exp(whole); }, {"exp", "i64", "(2, 3)"}},
      {"neg_bool", [] { return -mask; }, {"neg", "bool"}},
      {"and_floats", [] { return logical_and(a, a); }, {"logical_and", "f32", "bool"}},
      {"less_types", [] { return less(a, whole); }, {"less", "f32", "i64"}},
      {"is_finite_integers", [] { return is_finite(whole); }, {"is_finite", "i64"}},
      {"where_condition", [] { return where(a, a, a); }, {"where", "argument 1", "f32"}},
      {"where_shapes", [] { return where(mask, a, b); }, {"where", "(2, 3)", "(2, 4)"}},
      {"where_types", [] { return where(mask, a, wide); }, {"where", "f32", "f64"}},
      {"arange_step", [] { return arange(0, 1, 0); }, {"arange"}},
      {"eye_half", [] { return eye(2, 2, DType::f16); }, {"eye", "f16"}},
      {"reshape", [] { return reshape(a, {4}); }, {"reshape", "(2, 3)", "(4,)"}},
      {"reshape_unknown",
       [] {
         return reshape(a, {4, -1});
       },
       {"reshape", "(2, 3)"}},
      {"reshape_two_unknown",
       [] {
         return reshape(a, {-1, -1});
       },
       {"negative extent"}},
      {"reshape_nothing",
       [] {
         return reshape(zeros({0}), {0, -1});
       },
       {"reshape", "(0,)"}},
      {"broadcast_to",
       [] {
         return broadcast_to(a, {3, 3});
       },
       {"broadcast_to", "(2, 3)", "(3, 3)"}},
      {"broadcast_to_fewer", [] { return broadcast_to(a, {3}); }, {"broadcast_to", "(2, 3)", "(3,)"}},
      {"transpose",
       [] {
         return transpose(a, {0, 0});
       },
       {"transpose", "(2, 3)"}},
      {"transpose_axis", [] { return transpose(a, 0, 2); }, {"transpose", "axis 2", "rank 2"}},
      {"slice_start", [] { return slice(a, 1, 4, 5); }, {"slice", "(2, 3)", "start 4"}},
      {"slice_step", [] { return slice(a, 1, 0, 2, 0); }, {"slice", "step", "flip"}},
      {"dynamic_slice_length", [] { return dynamic_slice(a, 1, scalar_integer(0), 4); }, {"slice", "(2, 3)"}},
      {"dynamic_slice_start", [] { return dynamic_slice(a, 1, scalar(0), 1); }, {"slice", "i64"}},
      {"narrow", [] { return narrow(a, 1, 2, 2); }, {"narrow", "(2, 3)"}},
      {"slice_scatter", [] { return slice_scatter(a, 1, scalar_integer(0), 2); }, {"slice_scatter", "(2, 3)", "2"}},
      {"split",
       [] {
         return split(a, {1, 1}, 1)[0];
       },
       {"split", "(2, 3)", "2"}},
      {"split_parts", [] { return split(a, 2, 1)[0]; }, {"split", "(2, 3)", "2"}},
      {"concat_shapes",
       [] {
         return concat({a, b}, 0);
       },
       {"concat", "(2, 3)", "(2, 4)"}},
      {"concat_types",
       [] {
         return concat({a, wide}, 0);
       },
       {"concat", "f32", "f64"}},
      {"concat_nothing", [] { return concat(std::span<const Tensor>(), 0); }, {"concat"}},
      {"stack",
       [] {
         return stack({a, b});
       },
       {"stack", "(2, 3)", "(2, 4)"}},
      {"pad_margins",
       [] {
         return pad(a, {1, 1});
       },
       {"pad", "(2, 3)", "2 margins"}},
      {"pad_negative",
       [] {
         return pad(a, {1, 1, -1, 0});
       },
       {"pad", "negative"}},
      {"flip", [] { return flip(a, {3}); }, {"flip", "axis 3"}},
      {"roll", [] { return roll(a, -3, 1); }, {"roll", "axis -3"}},
      {"squeeze", [] { return squeeze(a, 0); }, {"squeeze", "(2, 3)"}},
      {"unsqueeze", [] { return unsqueeze(a, 4); }, {"unsqueeze", "axis 4"}},
      {"sum_axis", [] { return sum(a, 2); }, {"sum", "axis 2", "rank 2"}},
      {"sum_twice",
       [] {
         return sum(a, {1, -1});
       },
       {"sum", "axis -1", "twice"}},
      {"sum_bool", [] { return sum(mask); }, {"sum", "bool", "cast"}},
      {"mean_integers", [] { return mean(whole); }, {"mean", "i64"}},
      {"norm_undefined", [] { return norm(none); }, {"norm", "undefined"}},
      {"max_of_nothing",
       [] {
         return max(zeros({2, 0}), 1);
       },
       {"max", "(2, 0)", "empty"}},
      {"argmax_of_nothing",
       [] {
         return argmax(zeros({2, 0}));
       },
       {"argmax", "(2, 0)", "empty"}},
      {"all_finite",
       [] {
         return all_finite(std::vector{a, whole});
       },
       {"all_finite", "i64"}},
      {"cumsum", [] { return cumsum(a, 2); }, {"cumsum", "axis 2"}},
      {"take_index", [] { return take(a, a); }, {"take", "argument 2", "f32", "i32 or i64"}},
      {"embedding", [] { return embedding(zeros({3}), whole); }, {"embedding", "(3,)"}},
      {"write_rows_shapes",
       [] { return write_rows(a, b, zeros({3}, DType::i64)); },
       {"write_rows", "(2, 3)", "(2, 4)", "(3,)", "(batch, rows, ...)"}},
      {"write_rows_types", [] { return write_rows(a, wide, zeros({2}, DType::i64)); }, {"write_rows", "f32", "f64"}},
      {"index_add_shapes",
       [] { return index_add(a, 0, zeros({2}, DType::i64), b); },
       {"index_add", "(2, 3)", "(2,)", "(2, 4)"}},
      {"segment_sum_shapes",
       [] { return segment_sum(b, zeros({3}, DType::i64), 4); },
       {"segment_sum", "(2, 4)", "(3,)"}},
      {"segment_sum_count", [] { return segment_sum(b, zeros({2}, DType::i64), -1); }, {"segment_sum", "-1"}},
      {"first_occurrence",
       [] {
         return first_occurrence(zeros({2, 2}, DType::i64), 4);
       },
       {"first_occurrence", "(2, 2)"}},
      {"index_add_types", [] { return index_add(a, 0, zeros({2}, DType::i64), wide); }, {"index_add", "f32", "f64"}},
      {"gather",
       [] {
         return gather(a, 1, zeros({3, 3}, DType::i64));
       },
       {"gather", "(2, 3)", "(3, 3)"}},
      {"scatter_add", [] { return scatter_add(a, 1, whole, b); }, {"scatter_add", "(2, 3)", "(2, 4)"}},
      {"one_hot", [] { return one_hot(a, 3); }, {"one_hot", "f32"}},
      {"one_hot_classes", [] { return one_hot(whole, -1); }, {"negative"}},
      {"sort", [] { return sort(mask).values; }, {"sort", "bool"}},
      {"topk", [] { return topk(a, 4).values; }, {"topk", "(2, 3)", "4"}},
      {"bernoulli", [] { return bernoulli({2}, 1.5); }, {"bernoulli", "1.5"}},
      {"normal_integers", [] { return normal({2}, 0, 1, DType::i32); }, {"random_normal", "i32"}},
      {"matmul", [] { return matmul(a, b); }, {"matmul", "(2, 3)", "(2, 4)"}},
      {"matmul_types", [] { return matmul(a, t(wide)); }, {"matmul", "f32", "f64"}},
      {"linear", [] { return linear(a, b); }, {"(2, 3)", "(2, 4)"}},
      {"conv2d",
       [] {
         return conv2d(zeros({1, 3, 5, 5}), zeros({4, 2, 3, 3}));
       },
       {"conv2d", "(1, 3, 5, 5)", "(4, 2, 3, 3)"}},
      {"max_pool2d",
       [] {
         return max_pool2d(zeros({1, 1, 2, 2}), 3);
       },
       {"max_pool2d", "(1, 1, 2, 2)", "(3, 3)"}},
      {"avg_pool2d", [] { return avg_pool2d(a, 2); }, {"avg_pool2d", "(2, 3)"}},
      {"softmax", [] { return softmax(whole); }, {"softmax", "i64"}},
      {"cross_entropy",
       [] { return cross_entropy_rows(a, zeros({3}, DType::i64), zeros({3}), zeros({})); },
       {"cross_entropy", "(2, 3)", "(3,)"}},
      {"batch_norm",
       [] {
         return batch_norm(zeros({4, 3}), zeros({2}), zeros({3})).y;
       },
       {"batch_norm", "(4, 3)", "(2,)"}},
      {"conv_transpose2d",
       [] {
         return conv_transpose2d(zeros({1, 3, 5, 5}), zeros({4, 2, 3, 3}));
       },
       {"conv_transpose2d", "(1, 3, 5, 5)", "(4, 2, 3, 3)", "4 channels"}},
      {"conv_transpose2d_output_padding",
       [] {
         return conv_transpose2d(zeros({1, 3, 5, 5}), zeros({3, 2, 3, 3}), {}, {.stride = 2, .output_padding = 2});
       },
       {"conv_transpose2d", "output padding of 2", "stride"}},
      {"conv_transpose2d_padding",
       [] {
         return conv_transpose2d(zeros({1, 3, 1, 1}), zeros({3, 2, 3, 3}), {}, {.padding = 2});
       },
       {"conv_transpose2d", "padding of 2"}},
      {"conv_transpose2d_bias",
       [] {
         return conv_transpose2d(zeros({1, 3, 5, 5}), zeros({3, 2, 3, 3}), zeros({3}));
       },
       {"conv_transpose2d", "(3,)", "2 filters"}},
      {"conv2d_dilation",
       [] {
         return conv2d(zeros({1, 1, 5, 5}), zeros({1, 1, 5, 5}), {}, {.dilation = one << 62});
       },
       {"conv2d", "dilation", "4611686018427387904", "2^31"}},
      {"conv2d_padding",
       [] {
         return conv2d(zeros({1, 1, 5, 5}), zeros({1, 1, 5, 5}), {}, {.padding = one << 62});
       },
       {"conv2d", "padding", "2^31"}},
      {"conv2d_stride",
       [] {
         return conv2d(zeros({1, 1, 5, 5}), zeros({1, 1, 5, 5}), {}, {.stride = one << 31});
       },
       {"conv2d", "stride", "2^31"}},
      {"conv2d_extent",
       [] {
         return conv2d(zeros({0, 1, one << 40, 1}), zeros({1, 1, 1, 1}));
       },
       {"conv2d", "extent", "2^31"}},
      {"conv2d_kernel",
       [] {
         return conv2d(zeros({1, 1, 5, 5}), zeros({0, 1, 1, one << 40}));
       },
       {"conv2d", "kernel", "2^31"}},
      {"conv_transpose2d_stride",
       [] {
         return conv_transpose2d(zeros({1, 1, 5, 5}), zeros({1, 1, 3, 3}), {}, {.stride = one << 62});
       },
       {"conv_transpose2d", "stride", "2^31"}},
      {"max_pool2d_padding",
       [] {
         return max_pool2d(zeros({1, 1, 5, 5}), one << 62, {.padding = one << 61});
       },
       {"max_pool2d", "kernel", "2^31"}},
      {"avg_pool2d_stride",
       [] {
         return avg_pool2d(zeros({1, 1, 5, 5}), 2, {.stride = one << 62, .ceil_mode = true});
       },
       {"avg_pool2d", "stride", "2^31"}},
      {"pad_margin",
       [] {
         return pad(a, {one << 62, one << 62, 0, 0});
       },
       {"pad", "margin", "2^31"}},
      {"dynamic_slice_step",
       [] { return dynamic_slice(b, 1, scalar_integer(0), 3, one << 62); },
       {"slice", "(2, 4)", "3 elements"}},
      {"slice_scatter_step", [] { return slice_scatter(b, 1, scalar_integer(0), 9, one << 62); }, {"slice_scatter"}},
      {"concat_too_many",
       [] {
         return concat(std::vector<Tensor>(32, zeros({one << 59, 0})), 0);
       },
       {"concat", "2^59"}},
      {"group_norm",
       [] {
         return group_norm(zeros({4, 3, 2}), 2, zeros({3}), zeros({3})).y;
       },
       {"group_norm", "(4, 3, 2)", "2 groups"}},
      {"group_norm_beta",
       [] {
         return group_norm(zeros({4, 4, 2}), 2, zeros({4}), zeros({2})).y;
       },
       {"group_norm", "beta", "(2,)", "(4,)"}},
      {"rms_norm", [] { return rms_norm(a, zeros({2}), 1e-5); }, {"rms_norm", "(2, 3)", "(2,)"}},
      {"local_response_norm", [] { return local_response_norm(a, 0); }, {"local_response_norm", "0 channels"}},
      {"local_response_norm_type",
       [] { return local_response_norm(a, 3, scalar(1, DType::f64), scalar(1), scalar(1)); },
       {"local_response_norm", "argument 2", "f32"}},
      {"dropout2d", [] { return dropout2d(zeros({3}), 0.5); }, {"dropout2d", "(3,)"}},
      {"stochastic_depth", [] { return stochastic_depth(a, -0.5); }, {"stochastic_depth", "-0.5"}},
      {"layer_norm", [] { return layer_norm(a, zeros({2}), zeros({2})); }, {"layer_norm", "(2, 3)", "(2,)"}},
      {"rnn_rank", [] { return rnn(a, a, a); }, {"rnn", "p has shape (2, 3)", "(time, batch, units)"}},
      {"rnn_state",
       [] {
         return rnn(zeros({5, 2, 3}), b, zeros({3, 3}));
       },
       {"rnn", "h0", "(2, 4)", "(2, 3)"}},
      {"rnn_weight",
       [] {
         return rnn(zeros({5, 2, 3}), a, zeros({3, 4}));
       },
       {"rnn", "w_hh", "(3, 4)", "(3, 3)"}},
      {"rnn_lengths",
       [] {
         return rnn(zeros({5, 2, 3}), a, zeros({3, 3}), {.lengths = zeros({3}, DType::i64)});
       },
       {"rnn", "lengths", "(3,)", "(2,)"}},
      {"rnn_lengths_type",
       [] {
         return rnn(zeros({5, 2, 3}), a, zeros({3, 3}), {.lengths = zeros({2})});
       },
       {"rnn", "lengths", "f32", "i64"}},
      {"lstm_gates",
       [] {
         return lstm(zeros({5, 2, 6}), {a, a}, zeros({12, 3})).h;
       },
       {"lstm", "(5, 2, 6)", "4 * units"}},
      {"lstm_cells",
       [] {
         return lstm(zeros({5, 2, 12}), {a, b}, zeros({12, 3})).h;
       },
       {"lstm", "c0", "(2, 4)", "(2, 3)"}},
      {"lstm_types",
       [] {
         return lstm(zeros({5, 2, 12}), {a, wide}, zeros({12, 3})).h;
       },
       {"lstm", "argument 3", "f64"}},
      {"lstm_projection",
       [] {
         return lstm(zeros({5, 2, 12}), {zeros({2, 2}), a}, zeros({12, 2}), {.w_hr = zeros({2, 4})}).h;
       },
       {"lstm", "w_hr", "(2, 4)", "(2, 3)"}},
      {"lstm_undefined",
       [] {
         return lstm(zeros({5, 2, 12}), {a, none}, zeros({12, 3})).h;
       },
       {"lstm", "c0", "undefined"}},
      {"gru_bias",
       [] {
         return gru(zeros({5, 2, 9}), a, zeros({9, 3}), {.b_hn = zeros({9})});
       },
       {"gru", "b_hn", "(9,)", "(3,)"}},
      {"gru_bias_before",
       [] {
         return gru(zeros({5, 2, 9}), a, zeros({9, 3}), {.form = GruForm::reset_before, .b_hn = zeros({3})});
       },
       {"gru", "b_hn", "add it to p"}},
      {"attention_rank", [] { return attention(a, heads, heads); }, {"attention", "query", "(2, 3)"}},
      {"attention_undefined", [] { return attention(heads, heads, none); }, {"attention", "value", "undefined"}},
      {"attention_types",
       [] {
         return attention(heads, zeros({2, 5, 4, 3}, DType::f64), heads);
       },
       {"attention", "key", "f64", "f32"}},
      {"attention_sizes",
       [] {
         return attention(heads, zeros({2, 5, 4, 2}), heads);
       },
       {"attention", "(2, 5, 4, 2)"}},
      {"attention_batches",
       [] {
         return attention(heads, zeros({1, 5, 4, 3}), zeros({1, 5, 4, 3}));
       },
       {"attention", "(1, 5, 4, 3)", "batches"}},
      {"attention_keys",
       [] {
         return attention(heads, heads, zeros({2, 6, 4, 3}));
       },
       {"attention", "(2, 6, 4, 3)"}},
      {"attention_groups",
       [] {
         return attention(heads, zeros({2, 5, 3, 3}), zeros({2, 5, 3, 3}));
       },
       {"attention", "3 heads", "4"}},
      {"attention_mask",
       [] {
         return attention(heads, heads, heads, {.mask = zeros({5, 4})});
       },
       {"attention", "mask", "(1, 1, 5, 4)", "(2, 4, 5, 5)"}},
      {"attention_mask_type",
       [] {
         return attention(heads, heads, heads, {.mask = zeros({5, 5}, DType::i64)});
       },
       {"attention", "mask", "i64", "f32"}},
      {"attention_lengths",
       [] { return attention(heads, heads, heads, {.lengths = zeros({3}, DType::i64)}); },
       {"attention", "lengths", "(3,)", "(2,)"}},
      {"attention_length",
       [] { return attention(heads, heads, heads, {.lengths = full({2}, 6, DType::i64).eval()}); },
       {"attention", "length of sequence 0 is 6", "5 keys"}},
      {"attention_first",
       [] { return attention(heads, heads, heads, {.causal = true, .first = full({2}, 1, DType::i64).eval()}); },
       {"attention", "first position of sequence 0 is 1", "5 queries and 5 keys"}},
      {"attention_first_alone",
       [] { return attention(heads, heads, heads, {.first = zeros({2}, DType::i64)}); },
       {"attention", "first positions", "causal"}},
      {"attention_slopes",
       [] { return attention(heads, heads, heads, {.slopes = zeros({2})}); },
       {"attention", "slopes", "(2,)", "(4,)"}},
      {"attention_window",
       [] { return attention(heads, heads, heads, {.window = -1}); },
       {"attention", "window", "-1"}},
      {"attention_dropout",
       [] { return attention(heads, heads, heads, {.dropout = 2}); },
       {"attention", "dropout", "2"}},
      {"attention_probabilities",
       [] {
         return attention_probabilities(heads, zeros({2, 5, 3, 3}));
       },
       {"attention", "3 heads", "4"}},
      {"rotary_positions", [] { return rotary(heads, zeros({3}, DType::i64)); }, {"rotary", "(2, 5, 4, 3)", "(3,)"}},
      {"rotary_width", [] { return rotary(heads, zeros({5}, DType::i64)); }, {"rotary", "width of 3", "even"}},
      {"rotate_pairs",
       [] {
         return rotate_pairs(heads, zeros({2, 5, 1}), zeros({2, 5, 1}), RotaryPairs::halves);
       },
       {"rotate_pairs", "(2, 5, 4, 3)", "(2, 5, 1)"}},
      {"dropout", [] { return dropout(a, 1.5); }, {"dropout", "1.5"}},
  };
  return all;
}

TEST(Errors, NameTheOperatorAndTheShapes) {
  for (const Mistake& m : mistakes()) {
    SCOPED_TRACE(m.name);
    try {
      (void)m.write();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& e) {
      const std::string message = e.what();
      for (const char* part : m.says)
        EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
    }
  }
}

}  // namespace
}  // namespace narae
