package dev.mlxnative.bench.jmh;

import java.util.Random;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * What does a lease cost when each request has another size and other leases are live?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="MixBenchmark -prof gc"</pre>
 *
 * <p>The figures are for one lease with its release. Every invocation leases the same sequence of 256 sizes from 256
 * bytes to 1 MiB, whose logarithms are uniformly distributed. It releases each buffer before it leases the 16th buffer
 * after it.
 */
public class MixBenchmark extends Defaults {

    private static final int REQUESTS = 256;
    private static final int LIVE = 16;

    /** The sizes of the requests, the same in every run. */
    @State(Scope.Benchmark)
    public static class Sizes {

        private static final int SMALLEST_LOG2 = 8;
        private static final int LARGEST_LOG2 = 20;

        private final long[] sizes = new Random(1)
                .doubles(REQUESTS, SMALLEST_LOG2, LARGEST_LOG2)
                .mapToLong(log2 -> Math.round(Math.pow(2, log2)))
                .toArray();

        <B> Object[] lease(Allocator<B> allocator) {
            @SuppressWarnings("unchecked") // the array holds buffers of type B alone
            B[] live = (B[]) new Object[LIVE];
            for (int i = 0; i < REQUESTS; i++) {
                int slot = i % LIVE;
                if (live[slot] != null) {
                    allocator.release(live[slot]);
                }
                live[slot] = allocator.allocate(sizes[i]);
            }
            for (B buffer : live) {
                allocator.release(buffer);
            }
            return live;
        }
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] pool(Sizes sizes, Allocators.Pool pool) {
        return sizes.lease(pool);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] compactPool(Sizes sizes, Allocators.CompactPool pool) {
        return sizes.lease(pool);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] malloc(Sizes sizes, Allocators.Malloc malloc) {
        return sizes.lease(malloc);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] confinedArena(Sizes sizes, Allocators.ConfinedArena arena) {
        return sizes.lease(arena);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] nettyPooled(Sizes sizes, Allocators.NettyPooled netty) {
        return sizes.lease(netty);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] nettyAdaptive(Sizes sizes, Allocators.NettyAdaptive netty) {
        return sizes.lease(netty);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] arrow(Sizes sizes, Allocators.Arrow arrow) {
        return sizes.lease(arrow);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public Object[] lockedMap(Sizes sizes, Allocators.LockedMap map) {
        return sizes.lease(map);
    }
}
