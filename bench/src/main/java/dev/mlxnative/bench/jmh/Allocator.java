package dev.mlxnative.bench.jmh;

/**
 * The two operations of an allocator that the benchmarks compare.
 *
 * <p>JMH runs every benchmark method in its own JVM. That JVM loads one implementation, so the JIT compiler calls it
 * directly and no figure includes the cost of an interface call.
 *
 * @param <B> the type of a leased buffer
 */
public interface Allocator<B> {

    /** Leases a buffer of at least {@code bytes} bytes. */
    B allocate(long bytes);

    /** Ends the lease. */
    void release(B buffer);

    /**
     * Leases a buffer and releases it.
     *
     * @return the buffer, which the benchmark method returns: the JIT compiler could otherwise remove the allocation
     */
    default B cycle(long bytes) {
        B buffer = allocate(bytes);
        release(buffer);
        return buffer;
    }
}
