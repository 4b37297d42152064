// Compiles a function once per instruction set, and picks the best that the machine has at run
// time.
#pragma once

// For a free function whose loops run over columns:
//
//   BERTH_VECTOR_KERNEL void AddFree(const int32_t* capacity, ..., size_t n) { for (...) ... }
//
// Every version gives the same bits, as long as the loops are made of integer operations and of
// single IEEE operations in double (the build switches off contraction into fused multiply-adds).
// Not for templates, and pointless where the loop does not vectorise.
//
// Whoever defines the macro first says otherwise: tests compile kernels for one instruction set
// each and compare them bit by bit.
//
// With a sanitizer, whose runtime is not ready yet when the loader resolves such functions, and
// with other compilers, the function is compiled once, as it stands.
#if defined(BERTH_VECTOR_KERNEL)
// As it is.
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BERTH_VECTOR_KERNEL \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define BERTH_VECTOR_KERNEL
#endif
