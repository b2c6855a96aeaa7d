// What msl_language_test puts before each of these files. A kernel records what it computed and what it should have
// computed, in a row of its thread, and the test compares. Names of kernels that need more than one thread end in
// _N_threads. in[i] is i, which the compiler does not know.
#include <metal_stdlib>
using namespace metal;

struct Record {
    ulong got;
    ulong wanted;
    float tolerance; // relative to max(1, |wanted|); negative if the values are to be the same bits
    uint line;
    bool is_float;
};

#define RECORDS_OF_A_THREAD 256

struct Records {
    device Record *next;

    Records(device Record *out, uint thread_index) thread : next(out + thread_index * RECORDS_OF_A_THREAD) {}

    void add(float got, float wanted, float tolerance, uint line) thread {
        *next++ = Record{as_type<uint>(got), as_type<uint>(wanted), tolerance, line, true};
    }

    template <typename T, typename U>
    void same(T got, U wanted, uint line) thread {
        if constexpr (is_floating_point_v<T>) {
            add(float(got), float(wanted), -1, line);
        } else {
            *next++ = Record{ulong(got), ulong(T(wanted)), -1, line, false};
        }
    }
    template <typename T, int N, typename U>
    void same(vec<T, N> got, U wanted, uint line) thread {
        vec<T, N> all(wanted);
        for (int i = 0; i < N; i++) {
            same(got[i], all[i], line);
        }
    }
    template <typename T, int N>
    void add(vec<T, N> got, vec<T, N> wanted, float tolerance, uint line) thread {
        for (int i = 0; i < N; i++) {
            add(float(got[i]), float(wanted[i]), tolerance, line);
        }
    }
};

// Both have the type of the first.
#define SAME(GOT, ...) records.same(GOT, __VA_ARGS__, __LINE__)
#define NEAR(GOT, WANTED, TOLERANCE) records.add(GOT, WANTED, TOLERANCE, __LINE__)
#define TRUE(CONDITION) records.same(bool(CONDITION), true, __LINE__)
