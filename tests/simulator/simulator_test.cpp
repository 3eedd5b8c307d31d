// The simulated device itself: every check is seen to fire on a kernel or call that is at fault,
// and to keep still on the same without the fault.
#include <cstdlib>
#include <fstream>

#include <cublas_v2.h>
#include <gtest/gtest.h>

#include "tests/simulator/faulty_kernels.hpp"

namespace {

constexpr int kFault = 99;  // exit code

/// A stream and what is allocated beside it.
class Device {
 public:
  Device() { cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking); }
  ~Device() {
    cudaStreamSynchronize(stream_);
    for (void* one : memory_) cudaFree(one);
    cudaStreamDestroy(stream_);
  }
  template <class T = int>
  T* room(size_t n) {
    void* memory = nullptr;
    cudaMalloc(&memory, n * sizeof(T));
    memory_.push_back(memory);
    return static_cast<T*>(memory);
  }
  /// 0, 1, 2, ...
  template <class T = int>
  T* numbers(size_t n) {
    std::vector<T> values(n);
    for (size_t i = 0; i < n; ++i) values[i] = static_cast<T>(i);
    T* const memory = room<T>(n);
    cudaMemcpyAsync(memory, values.data(), n * sizeof(T), cudaMemcpyHostToDevice, stream_);
    return memory;
  }
  template <class T>
  std::vector<T> read(const T* memory, size_t n) {
    std::vector<T> values(n);
    cudaMemcpyAsync(values.data(), memory, n * sizeof(T), cudaMemcpyDeviceToHost, stream_);
    return values;
  }
  cudaError_t wait() { return cudaStreamSynchronize(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
  std::vector<void*> memory_;
};

class Simulator : public ::testing::Test {
 protected:
  // The child begins anew, so that it reads the environment of its own.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

/// The statement must end the process with a fault that says so.
#define EXPECT_FAULT(statement, message) \
  EXPECT_EXIT(                           \
      {                                  \
        statement;                       \
        std::exit(0);                    \
      },                                 \
      ::testing::ExitedWithCode(kFault), message)

// ---- bounds and kinds of memory -----------------------------------------------------------------
TEST_F(Simulator, RunsKernelsInTheOrderOfTheirStream) {
  Device d;
  int* const x = d.numbers(64);
  int* const y = d.room(64);
  faulty::add_one(x, 64, 1, d);
  faulty::copy(x, y, 64, 0, d);
  const std::vector<int> got = d.read(y, 64);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(got[i], i + 1);
}

TEST_F(Simulator, SeesAStepPastAnAllocation) {
  // What the message names: kernel, launch, block, thread, source line, allocation and its maker.
  EXPECT_FAULT(
      {
        Device d;
        faulty::copy(d.numbers(64), d.room(64), 64, 1, d);
        d.wait();
      },
      "FAULT: writes 4 bytes: out of bounds\n"
      "  address: byte 256 of allocation [0-9]+ of 256 bytes on device 0, made by "
      ".*TestBody.*\n"
      "  kernel faulty::copy_kernel, launched at .*faulty_kernels.cu:[0-9]+, grid \\(1, 1, 1\\), "
      "block \\(64, 1, 1\\).*\n"
      "  block \\(0, 0, 0\\), thread \\(63, 0, 0\\)\n"
      "  in faulty::copy_kernel.* at .*faulty_kernels.cu:[0-9]+");
  EXPECT_FAULT(
      {
        Device d;
        faulty::copy(d.numbers(64), d.room(64), 64, -1, d);
        d.wait();
      },
      "out of bounds");
}

TEST_F(Simulator, SeesFreedMemory) {
  EXPECT_FAULT(
      {
        Device d;
        int* const x = d.numbers(64);
        d.wait();
        cudaFree(x);
        faulty::copy(x, d.room(64), 64, 0, d);
        d.wait();
      },
      "freed memory.*\n.*freed, on device 0");
  EXPECT_FAULT(
      {
        Device d;
        int* const x = d.room(64);
        cudaFree(x);
        cudaFree(x);
      },
      "cudaFree of byte 0 of allocation");
}

TEST_F(Simulator, SeesHostMemoryInAKernel) {
  EXPECT_FAULT(
      {
        Device d;
        std::vector<int> host(64);
        faulty::copy(host.data(), d.room(64), 64, 0, d);
        d.wait();
      },
      "host memory in a kernel");
  EXPECT_FAULT(
      {
        Device d;
        faulty::read_host_variable(d.room(1), d);
        d.wait();
      },
      "a variable of the host");
  EXPECT_FAULT(
      {
        Device d;
        faulty::write_through_null(d);
        d.wait();
      },
      "a null pointer");
  Device d;
  int* const x = d.numbers(1);
  faulty::read_constant_table(x, d);
  EXPECT_EQ(d.read(x, 1)[0], 1);
}

TEST_F(Simulator, SeesTheHostTouchDeviceMemory) {
  EXPECT_FAULT(
      {
        Device d;
        volatile int* const x = d.numbers(4);
        d.wait();
        std::exit(x[1]);
      },
      "the host touches device memory: byte 4 of allocation");
  EXPECT_FAULT(
      {
        Device d;
        int* const x = d.numbers(4);
        int y[4];
        cudaMemcpyAsync(x, y, sizeof(y), cudaMemcpyDeviceToHost, d);
      },
      "cudaMemcpyAsync of another kind");
  EXPECT_FAULT(
      {
        Device d;
        int y[4] = {};
        cudaMemcpyAsync(d.room(3), y, sizeof(y), cudaMemcpyHostToDevice, d);
        d.wait();
      },
      "cudaMemcpyAsync to the device: writes 16 bytes, out of bounds");
}

TEST_F(Simulator, SeesUninitialisedReads) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::copy(d.room(64), d.room(64), 64, 0, d);
        d.wait();
      },
      "reads 4 bytes: uninitialised memory");
  EXPECT_FAULT(  // a copy on the device initialises nothing
      {
        Device d;
        int* const x = d.room(64);
        cudaMemcpyAsync(x, d.room(64), 256, cudaMemcpyDeviceToDevice, d);
        faulty::add_one(x, 64, 1, d);
        d.wait();
      },
      "uninitialised memory");
  EXPECT_FAULT(
      {
        Device d;
        faulty::read_shared(d.room(32), false, d);
        d.wait();
      },
      "uninitialised memory\n  address: byte .* of shared array 1 of 128 bytes");
  Device d;
  faulty::read_shared(d.room(32), true, d);
  EXPECT_EQ(d.wait(), cudaSuccess);
}

TEST_F(Simulator, SeesMisalignedVectors) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::copy_vectors(d.numbers<float>(8) + 1, d.room<float>(4), d);
        d.wait();
      },
      "misaligned");
  Device d;
  float* const out = d.room<float>(4);
  faulty::copy_vectors(d.numbers<float>(8) + 4, out, d);
  EXPECT_EQ(d.read(out, 4), (std::vector<float>{4, 5, 6, 7}));
}

TEST_F(Simulator, SeesAStepPastSharedMemory) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::step_past_shared(d.room(32), d);
        d.wait();
      },
      "out of bounds\n  address: byte 128 of shared array 1 of 128 bytes");
}

// ---- races --------------------------------------------------------------------------------------
TEST_F(Simulator, SeesRacesInABlock) {
  const std::string race = "race: .*thread";
  EXPECT_FAULT(
      {
        Device d;
        faulty::reverse(d.numbers(64), d.room(64), false, d);
        d.wait();
      },
      race);
  EXPECT_FAULT(
      {
        Device d;
        faulty::reverse_warps(d.numbers(64), d.room(64), false, d);
        d.wait();
      },
      race);
  EXPECT_FAULT(
      {
        Device d;
        faulty::exchange_in_halves(d.room(32), false, d);
        d.wait();
      },
      race);
  EXPECT_FAULT(
      {
        Device d;
        faulty::read_together_then_write(d.numbers(1), d.room(32), false, d);
        d.wait();
      },
      "race: (writes 4 bytes, what was read by|reads 4 bytes, what was written by)");
  Device d;
  faulty::reverse(d.numbers(64), d.room(64), true, d);
  faulty::reverse_warps(d.numbers(64), d.room(64), true, d);
  faulty::exchange_in_halves(d.room(32), true, d);
  faulty::read_together_then_write(d.numbers(1), d.room(32), true, d);
  EXPECT_EQ(d.wait(), cudaSuccess);
}

TEST_F(Simulator, SeesRacesBetweenBlocks) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::add_one(d.numbers(64), 64, 2, d);
        d.wait();
      },
      "race: reads 4 bytes, what was written by another block");
  Device d;
  int* const x = d.numbers(1);
  faulty::count(x, 64, 3, d);
  EXPECT_EQ(d.read(x, 1)[0], 3 * 64);
}

TEST_F(Simulator, SeesRacesBetweenStreams) {
  EXPECT_FAULT(
      {
        Device d;
        Device other;
        int* const x = d.numbers(64);
        d.wait();
        faulty::add_one(x, 64, 1, d);
        faulty::add_one(x, 64, 1, other);
        d.wait();
        other.wait();
      },
      "faulty::add_one_kernel .*, which no stream order or event puts before");
  Device d, other;
  cudaEvent_t reached;
  cudaEventCreateWithFlags(&reached, cudaEventDisableTiming);
  int* const x = d.numbers(64);
  faulty::add_one(x, 64, 1, d);
  cudaEventRecord(reached, d);
  cudaStreamWaitEvent(other, reached);
  faulty::add_one(x, 64, 1, other);
  EXPECT_EQ(other.read(x, 64)[1], 3);
  cudaEventDestroy(reached);
}

/// x += 1 in each of two streams of one graph, the second after the first or beside it.
void run_branches(bool joined) {
  Device d, branch;
  int* const x = d.numbers(64);
  int* const y = d.numbers(64);
  d.wait();
  cudaEvent_t forked, done;
  cudaEventCreateWithFlags(&forked, cudaEventDisableTiming);
  cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
  cudaStreamBeginCapture(d, cudaStreamCaptureModeThreadLocal);
  faulty::add_one(y, 64, 1, d);
  if (!joined) cudaEventRecord(forked, d);
  faulty::add_one(x, 64, 1, d);
  if (joined) cudaEventRecord(forked, d);
  cudaStreamWaitEvent(branch, forked);
  faulty::add_one(x, 64, 1, branch);
  cudaEventRecord(done, branch);
  cudaStreamWaitEvent(d, done);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(d, &graph), cudaSuccess);
  cudaGraphInstantiate(&executable, graph, 0);
  for (int i = 0; i < 3; ++i) cudaGraphLaunch(executable, d);
  EXPECT_EQ(d.read(x, 64)[5], 5 + 6);
  EXPECT_EQ(d.read(y, 64)[5], 5 + 3);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaEventDestroy(forked);
  cudaEventDestroy(done);
}

TEST_F(Simulator, SeesRacesBetweenBranchesOfAGraph) {
  EXPECT_FAULT(run_branches(false), "of another branch of the graph");
  run_branches(true);
}

// ---- what threads wait for ----------------------------------------------------------------------
TEST_F(Simulator, SeesDeadlocks) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::barrier_for_some(d);
        d.wait();
      },
      "deadlock: 40 threads wait at __syncthreads, 24 have returned");
  EXPECT_FAULT(
      {
        Device d;
        faulty::collective_for_some(d);
        d.wait();
      },
      "warp 0 misses lanes 32");
  EXPECT_FAULT(
      {
        Device d;
        faulty::strange_mask(d);
        d.wait();
      },
      "is not in its own mask");
}

// ---- launch limits ------------------------------------------------------------------------------
TEST_F(Simulator, SeesLaunchesThatNoGpuTakes) {
  EXPECT_FAULT(faulty::bounded(1, 160, Device()), "160 threads where __launch_bounds__ says 128");
  EXPECT_FAULT(faulty::bounded(1, dim3(1, 1, 65), Device()), "a block of \\(1, 1, 65\\)");
  EXPECT_FAULT(faulty::bounded(dim3(1, 65536), 32, Device()), "a grid of \\(1, 65536, 1\\)");
  EXPECT_FAULT(faulty::bounded(0, 32, Device()), "a grid of \\(0, 1, 1\\)");
  Device d;
  faulty::bounded(dim3(2, 3, 2), dim3(16, 4, 2), d);
  EXPECT_EQ(d.wait(), cudaSuccess);
}

TEST_F(Simulator, SeesTooMuchSharedMemory) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::use_dynamic(d.room(1), 49 << 10, false, d);
      },
      "50176 bytes of dynamic");
  EXPECT_FAULT(
      {
        Device d;
        faulty::use_dynamic(d.room(1), 228 << 10, true, d);
      },
      "cudaFuncSetAttribute");
  EXPECT_FAULT(
      {
        Device d;
        faulty::use_static(d.room(1), 20 << 10, d);
        d.wait();
      },
      "40960 bytes of static and 20480 of dynamic");
  Device d;
  faulty::use_dynamic(d.room(1), 200 << 10, true, d);
  faulty::use_static(d.room(1), 8 << 10, d);
  EXPECT_EQ(d.wait(), cudaSuccess);
  setenv("CUDASIM_ARCH", "80", 1);
  EXPECT_FAULT(
      {
        Device d;
        faulty::use_dynamic(d.room(1), 200 << 10, true, d);
      },
      "over 166912");
  unsetenv("CUDASIM_ARCH");
}

TEST_F(Simulator, CountsRegistersWherePtxasHasSaid) {
  const std::string table = ::testing::TempDir() + "simulator_ptxas_table.txt";
  std::ofstream(table) << "90 _ZN6faulty19bounded_kernel_bodyEv 255 0\n"
                       << "90 _ZN6faulty12count_kernelEPi 80 0\n";
  setenv("CUDASIM_PTXAS", table.c_str(), 1);
  EXPECT_FAULT(
      {
        Device d;
        faulty::count(d.numbers(1), 1024, 1, d);
      },
      "32 warps of 80 registers");
  EXPECT_EXIT(
      {
        {
          Device d;
          faulty::bounded(1, 128, d);
          d.wait();
        }
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "");
  unsetenv("CUDASIM_PTXAS");
}

// ---- captures -----------------------------------------------------------------------------------
TEST_F(Simulator, RefusesWhatNoGraphCanHold) {
  const auto captured = [](const auto& call) {
    Device d;
    int* const x = d.numbers(4);
    d.wait();
    cudaStreamBeginCapture(d, cudaStreamCaptureModeThreadLocal);
    faulty::add_one(x, 4, 1, d);
    const cudaError_t error = call(d, x);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(d, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    return error;
  };
  EXPECT_EQ(captured([](cudaStream_t, int*) {
              void* memory = nullptr;
              return cudaMalloc(&memory, 4);
            }),
            cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(captured([](cudaStream_t s, int*) { return cudaStreamSynchronize(s); }),
            cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(captured([](cudaStream_t, int*) { return cudaDeviceSynchronize(); }),
            cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(captured([](cudaStream_t s, int* x) {
              int y = 0;
              return cudaMemcpyAsync(&y, x, 4, cudaMemcpyDeviceToHost, s);
            }),
            cudaErrorStreamCaptureUnsupported);
}

TEST_F(Simulator, SeesACaptureThatIsNotJoined) {
  EXPECT_FAULT(
      {
        Device d;
        Device branch;
        cudaEvent_t forked;
        cudaEventCreateWithFlags(&forked, cudaEventDisableTiming);
        int* const x = d.numbers(4);
        int* const y = d.numbers(4);
        d.wait();
        cudaStreamBeginCapture(d, cudaStreamCaptureModeThreadLocal);
        faulty::add_one(x, 4, 1, d);
        cudaEventRecord(forked, d);
        cudaStreamWaitEvent(branch, forked);
        faulty::add_one(y, 4, 1, branch);
        cudaGraph_t graph;
        cudaStreamEndCapture(d, &graph);
      },
      "not joined: graph: faulty::add_one_kernel");
}

// ---- libraries ----------------------------------------------------------------------------------
TEST_F(Simulator, HoldsTheProtocolOfScratch) {
  EXPECT_FAULT(
      {
        Device d;
        faulty::sort(d.numbers<uint32_t>(100), d.room<uint32_t>(100), d.numbers(100), d.room(100),
                     100, 1, nullptr, d);
      },
      "cub::DeviceRadixSort::SortPairs: .* bytes of scratch, of the .* it asked for");
  EXPECT_FAULT(
      {
        Device d;
        faulty::sort(d.numbers<uint32_t>(100), d.room<uint32_t>(100), d.numbers(100), d.room(100),
                     100, 0, d.room(1), d);
      },
      "uninitialised memory");
  EXPECT_FAULT(
      {
        Device d;
        uint32_t* const keys = d.numbers<uint32_t>(100);
        faulty::sort(keys, keys, d.numbers(100), d.room(100), 100, 0, nullptr, d);
      },
      "arrays overlap");
  Device d;
  uint32_t* const sorted = d.room<uint32_t>(100);
  faulty::sort(d.numbers<uint32_t>(100), sorted, d.numbers(100), d.room(100), 100, 0, nullptr, d);
  EXPECT_EQ(d.read(sorted, 100)[99], 99u);
}

TEST_F(Simulator, HoldsTheProtocolOfBlas) {
  const auto square = [](bool with_workspace) {
    Device d;
    cublasHandle_t blas = nullptr;
    cublasCreate(&blas);
    cublasSetStream(blas, d);
    if (with_workspace) cublasSetWorkspace(blas, d.room<char>(1 << 16), 1 << 16);
    float* const out = d.room<float>(4);
    const float one = 1.0f, zero = 0.0f;
    const float* const x = d.numbers<float>(4);
    cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, x, 2, x, 2, &zero, out, 2);
    const std::vector<float> got = d.read(out, 4);
    cublasDestroy(blas);
    return got;
  };
  EXPECT_FAULT(square(false), "cublasSgemm of 2 x 2 x 2: no workspace was given");
  EXPECT_EQ(square(true), (std::vector<float>{2, 3, 6, 11}));
}

// ---- errors, devices, leaks ---------------------------------------------------------------------
TEST_F(Simulator, ErrorsStick) {
  setenv("CUDASIM_STICKY", "1", 1);
  EXPECT_EXIT(
      {
        Device d;
        faulty::copy(d.numbers(64), d.room(64), 64, 1, d);
        const bool sticks = d.wait() == cudaErrorIllegalAddress &&
                            cudaGetLastError() == cudaErrorIllegalAddress &&
                            cudaDeviceSynchronize() == cudaErrorIllegalAddress;
        if (sticks) std::fprintf(stderr, "sticks\n");
        std::exit(0);  // the fault counts
      },
      ::testing::ExitedWithCode(kFault), "sticks");
  unsetenv("CUDASIM_STICKY");
}

TEST_F(Simulator, HasSeveralDevices) {
  setenv("CUDASIM_DEVICES", "2", 1);
  EXPECT_FAULT(
      {
        Device d;
        int* const x = d.numbers(4);
        cudaSetDevice(1);
        faulty::add_one(x, 4, 1, d);
      },
      "a stream of device 0 is used while device 1 is current");
  EXPECT_FAULT(
      {
        Device d;
        int* const x = d.numbers(4);
        d.wait();
        cudaSetDevice(1);
        Device other;
        faulty::add_one(x, 4, 1, other);
        other.wait();
      },
      "memory of another device");
  unsetenv("CUDASIM_DEVICES");
}

TEST_F(Simulator, SeesLeaks) {
  EXPECT_FAULT(
      {
        void* memory = nullptr;
        cudaMalloc(&memory, 100);
      },
      "never freed: byte 0 of allocation 1 of 100 bytes");
  EXPECT_FAULT(
      {
        cudaStream_t stream;
        cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
      },
      "1 streams, 0 events and 0 graphs were never destroyed");
}

}  // namespace
