// Files that are no lines of interactions, told by how they begin.
#pragma once

#include "host/io/bytes.hpp"

namespace mgqe {

/// InputError that names what the file is and the way out, where it is known to be something else
/// than lines of text; of gzip data what is behind it is looked at.
void refuse_foreign_text(const Bytes& file);

}  // namespace mgqe
