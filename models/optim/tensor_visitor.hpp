// What goes over the arrays of a checkpoint: trainable ones and their optimizer state.
#pragma once

#include <functional>
#include <string>
#include <type_traits>

#include "host/engine/backend.hpp"

namespace mgqe {

/// Called with the name of every array a checkpoint holds, and, where it asks for that, with how
/// its rows are sharded over ranks.
class TensorVisitor {
 public:
  /// visit(name, tensor) or visit(name, tensor, sharding); where it takes a Tensor<float> alone,
  /// arrays stored in bfloat16 throw.
  template <class Function>
  TensorVisitor(Function visit)
      : visit_(bind<float>(visit)), visit_bfloat16_(bind<Bfloat16>(visit)) {}

  template <class T>
  void operator()(const std::string& name, Tensor<T>& tensor, const RowSharding& sharding) const {
    if constexpr (std::is_same_v<T, float>)
      visit_(name, tensor, sharding);
    else
      visit_bfloat16_(name, tensor, sharding);
  }
  void operator()(const std::string& name, Tensor<float>& tensor) const {
    visit_(name, tensor, RowSharding::whole(tensor.rows()));
  }

 private:
  template <class T>
  using Visit = std::function<void(const std::string&, Tensor<T>&, const RowSharding&)>;

  template <class T, class Function>
  static Visit<T> bind(const Function& visit) {
    if constexpr (std::is_invocable_v<Function, const std::string&, Tensor<T>&, const RowSharding&>)
      return visit;
    else if constexpr (std::is_invocable_v<Function, const std::string&, Tensor<T>&>)
      return [visit](const std::string& name, Tensor<T>& tensor, const RowSharding&) {
        visit(name, tensor);
      };
    else
      return [](const std::string& name, Tensor<T>&, const RowSharding&) {
        throw Error("the array " + name + " is not of floats");
      };
  }

  Visit<float> visit_;
  Visit<Bfloat16> visit_bfloat16_;
};

}  // namespace mgqe
