// Sets of labelled rows that are known by name, each read as its table of the report says.
#pragma once

#include <memory>
#include <string>

#include "host/data/ctr/ctr_rows.hpp"

namespace mgqe {

/// "frappe" (frappe/frappe.{train,validation,test}.libfm below $MGQE_DATA_DIR or data/: the split
/// of He & Chua 2017) and "flights" (flights/flights.csv: New York 2013, late by over 15 minutes,
/// from what is known before departure), .gz or not.
bool is_named_rows(const std::string& name);

/// Prepares them into a temporary cache, which goes with them. InputError where their files are not
/// there.
std::unique_ptr<const CtrRows> named_rows(const std::string& name);

}  // namespace mgqe
