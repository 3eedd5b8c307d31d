// The split and negatives of He et al. 2017 ("Neural Collaborative Filtering"), as published with
// their code: their figures can be compared with ours only on their own candidates.
#pragma once

#include <filesystem>

#include "host/data/dataset.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

struct NcfFiles {
  Bytes sequences, ratings, negatives;
};

/// Original ids are the authors' 0-based ones. There is no validation item. A negative that is the
/// user's own test item (156 users have one) is left out. InputError where the three files
/// disagree.
Dataset read_ncf(const NcfFiles& files, Backend& backend);

/// The same of folder/{ncf_ml-1m_seq.txt.gz, ncf.ml-1m.test.rating.gz, ncf.ml-1m.test.negative.gz}.
Dataset load_ncf(const std::filesystem::path& folder, Backend& backend);

}  // namespace mgqe
