package dev.mlxnative.bench.jmh;

import dev.mlxnative.MlxBuffer;
import io.netty.buffer.ByteBuf;
import java.lang.foreign.MemorySegment;
import org.apache.arrow.memory.ArrowBuf;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Fork;

/**
 * What does it cost to lease a cached buffer of 4 KiB and to release it?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="HitBenchmark -prof gc"</pre>
 *
 * <p>The benchmark does not access the memory. Work that an allocator defers to the first access is not in the figures.
 */
public class HitBenchmark extends Defaults {

    private static final long BYTES = 4096;

    @Benchmark
    public MlxBuffer poolRelease(Allocators.Pool pool) {
        return pool.cycle(BYTES);
    }

    @Benchmark
    public MlxBuffer poolClose(Allocators.Pool pool) {
        MlxBuffer buffer = pool.allocate(BYTES);
        buffer.close();
        return buffer;
    }

    @Benchmark
    public MlxBuffer compactPool(Allocators.CompactPool pool) {
        return pool.cycle(BYTES);
    }

    @Benchmark
    public MlxBuffer device(Allocators.Direct device) {
        return device.cycle(BYTES);
    }

    @Benchmark
    public MemorySegment malloc(Allocators.Malloc malloc) {
        return malloc.cycle(BYTES);
    }

    @Benchmark
    public Allocators.ConfinedArena.Lease confinedArena(Allocators.ConfinedArena arena) {
        return arena.cycle(BYTES);
    }

    @Benchmark
    public ByteBuf nettyPooled(Allocators.NettyPooled netty) {
        return netty.cycle(BYTES);
    }

    @Benchmark
    public ByteBuf nettyAdaptive(Allocators.NettyAdaptive netty) {
        return netty.cycle(BYTES);
    }

    @Benchmark
    @Fork(jvmArgsAppend = {NettyThreads.EXECUTOR, NettyThreads.EXECUTOR_CLASS})
    public ByteBuf nettyPooledOnItsThreads(Allocators.NettyPooled netty) {
        return netty.cycle(BYTES);
    }

    @Benchmark
    @Fork(jvmArgsAppend = {NettyThreads.EXECUTOR, NettyThreads.EXECUTOR_CLASS})
    public ByteBuf nettyAdaptiveOnItsThreads(Allocators.NettyAdaptive netty) {
        return netty.cycle(BYTES);
    }

    @Benchmark
    public ArrowBuf arrow(Allocators.Arrow arrow) {
        return arrow.cycle(BYTES);
    }

    @Benchmark
    public MemorySegment lockedMap(Allocators.LockedMap map) {
        return map.cycle(BYTES);
    }
}
