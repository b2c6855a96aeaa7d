package dev.mlxnative.bench.jmh;

/**
 * All that a comparison knows of an allocator.
 *
 * <p>Every benchmark has a method, and so a JVM, of its own. That JVM loads one implementation only, and the JIT
 * compiler makes its calls direct ones: no figure has the cost of an interface in it.
 *
 * @param <B> a buffer on lease
 */
public interface Allocator<B> {

    /** Leases a buffer of at least {@code bytes} bytes. */
    B allocate(long bytes);

    /** Ends the lease. */
    void release(B buffer);

    /**
     * One lease from its start to its end.
     *
     * @return the buffer, for the caller to return: a buffer that nobody sees need not exist, and the JIT compiler
     *     knows
     */
    default B cycle(long bytes) {
        B buffer = allocate(bytes);
        release(buffer);
        return buffer;
    }
}
