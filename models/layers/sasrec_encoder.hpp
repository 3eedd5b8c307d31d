// SASRec's encoder (Kang & McAuley 2018), everything between the item rows and h:
//   x_t = sqrt(d) item(a_t) + position(t), dropout, blocks, LN -> h_t.
#pragma once

#include <algorithm>
#include <vector>

#include "models/layers/transformer_block.hpp"

namespace mgqe {

struct SasrecShape {
  int64_t dim = 64;
  int heads = 1;
  int blocks = 2;
  int64_t max_length = 200;
};

/// What the encoder computes of up to T tokens.
struct SasrecActivations {
  enum class Keep {
    kLast,  // one set of block activations, which every block uses in its turn
    kAll,   // one a block, for a backward
  };
  SasrecActivations(Backend& backend, const SasrecShape& shape, int64_t max_tokens, Keep keep);

  /// Floats a token takes of Keep::kLast.
  static int64_t floats_of_token(int64_t dim, int heads) {
    return 2 * dim + 2 + TransformerActivations::floats_of_token(dim, heads);
  }
  TransformerActivations& of_block(size_t block) {
    return blocks[std::min(block, blocks.size() - 1)];
  }

  Tensor<float> input, hidden;     // (T, d)
  Tensor<float> final_norm_stats;  // (T, 2)
  std::vector<TransformerActivations> blocks;
};

class SasrecEncoder {
 public:
  /// dropout_key: of the run; what is served needs none.
  SasrecEncoder(Backend& backend, const SasrecShape& shape, uint64_t dropout_key = 0);

  /// items: T look-ups; positions (T). h (T, d), in kept.hidden.
  View<const float> forward(Lookup items, Sequences sequences, View<const int32_t> positions,
                            const DropoutPass& pass, SasrecActivations& kept) const;
  /// The same of each sequence's last token alone, by which items are ranked, without dropout:
  /// last (S) their rows. h (S, d), in kept.hidden.
  View<const float> forward_last(Lookup items, Sequences sequences, View<const int32_t> positions,
                                 View<const int32_t> last, SasrecActivations& kept) const;

  const SasrecShape& shape() const { return shape_; }
  Dropout input_dropout(const DropoutPass& pass) const {
    return {dropout_key_, pass.rate, pass.first_token};
  }
  void pack(ArrayMap& arrays) const;
  void load(const ArrayMap& arrays);

  Weights positions;  // (max length, d)
  std::vector<TransformerBlock> blocks;
  LayerNorm final_norm;

 private:
  View<const float> embed(Lookup items, View<const int32_t> positions, const DropoutPass& pass,
                          SasrecActivations& kept) const;
  View<const float> normalize(View<const float> x, SasrecActivations& kept) const;

  Backend& backend_;
  SasrecShape shape_;
  uint64_t dropout_key_;
};

/// The shape that packed arrays were trained with, read off them. InputError where they have none.
SasrecShape packed_sasrec_shape(const ArrayMap& arrays);

}  // namespace mgqe
