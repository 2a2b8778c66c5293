// STEMSMITH_VECTOR_CLONES before a function: it is compiled a second time for processors with AVX2,
// and the right one is taken when the program starts. Both give the same bits: AVX2 alone fuses no
// multiplications with additions.
#pragma once

// Sanitizers run before the choice could be made.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define STEMSMITH_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define STEMSMITH_VECTOR_CLONES
#endif
