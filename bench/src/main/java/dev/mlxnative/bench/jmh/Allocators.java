package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.PoolStats;
import dev.mlxnative.Sizing;
import io.netty.buffer.AdaptiveByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.util.ResourceLeakDetector;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The allocators that the benchmarks compare. All threads of a benchmark share one instance. */
public final class Allocators {

    private Allocators() {}

    /** The pool with its default settings. */
    @State(Scope.Benchmark)
    public static class Pool implements Allocator<MlxBuffer> {

        MlxDevice device;
        MlxBufferPool pool;

        @Setup
        public void open() {
            device = MlxDevice.open();
            pool = configure(MlxBufferPool.builder(device)).build();
        }

        MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
            return builder;
        }

        @Override
        public MlxBuffer allocate(long bytes) {
            return pool.alloc(bytes, DType.U8, bytes);
        }

        @Override
        public void release(MlxBuffer buffer) {
            pool.release(buffer);
        }

        /** Fails a benchmark that leaks buffers: its figures would be those of misses. */
        @TearDown
        public void close() {
            PoolStats stats = pool.stats();
            pool.close();
            device.close();
            if (stats.activeCount() > 0) {
                throw new IllegalStateException("buffers were not released: " + stats);
            }
        }
    }

    /** The pool with compact sizing, which cuts its leases from few native buffers. */
    @State(Scope.Benchmark)
    public static class CompactPool extends Pool {

        @Override
        MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
            return builder.sizing(Sizing.COMPACT);
        }
    }

    /** The device without a pool: each lease is a native buffer. */
    @State(Scope.Benchmark)
    public static class Direct implements Allocator<MlxBuffer> {

        private MlxDevice device;

        @Setup
        public void open() {
            device = MlxDevice.open();
        }

        @Override
        public MlxBuffer allocate(long bytes) {
            return device.allocBuffer(bytes, DType.U8, bytes);
        }

        @Override
        public void release(MlxBuffer buffer) {
            buffer.close();
        }

        @TearDown
        public void close() {
            device.close();
        }
    }

    /** {@code malloc} and {@code free} of the C library, called through the FFM API. */
    @State(Scope.Benchmark)
    public static class Malloc implements Allocator<MemorySegment> {

        private static final MethodHandle MALLOC =
                function("malloc", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
        private static final MethodHandle FREE = function("free", FunctionDescriptor.ofVoid(ValueLayout.ADDRESS));

        private static MethodHandle function(String name, FunctionDescriptor type) {
            Linker linker = Linker.nativeLinker();
            return linker.downcallHandle(linker.defaultLookup().find(name).orElseThrow(), type);
        }

        @Override
        public MemorySegment allocate(long bytes) {
            MemorySegment memory;
            try {
                memory = (MemorySegment) MALLOC.invokeExact(bytes);
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
            if (memory.address() == 0) {
                throw new OutOfMemoryError("malloc of " + bytes + " bytes");
            }
            return memory.reinterpret(bytes);
        }

        @Override
        public void release(MemorySegment memory) {
            try {
                FREE.invokeExact(memory);
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        }
    }

    /**
     * A confined arena for each buffer, because an arena frees all of its memory at once.
     *
     * <p>It is the only allocator here that clears memory.
     */
    @State(Scope.Benchmark)
    public static class ConfinedArena implements Allocator<ConfinedArena.Lease> {

        /** A segment, with the arena that frees it. */
        public record Lease(Arena arena, MemorySegment segment) {}

        @Override
        public Lease allocate(long bytes) {
            Arena arena = Arena.ofConfined();
            return new Lease(arena, arena.allocate(bytes));
        }

        @Override
        public void release(Lease lease) {
            lease.arena().close();
        }
    }

    /**
     * An allocator of Netty, in its fastest configuration.
     *
     * <p>It uses {@code Unsafe}. The leak detector, which samples about one buffer in a hundred, is off.
     */
    abstract static class Netty implements Allocator<ByteBuf> {

        private final ByteBufAllocator allocator;

        Netty(ByteBufAllocator allocator) {
            this.allocator = allocator;
            ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.DISABLED);
        }

        @Override
        public ByteBuf allocate(long bytes) {
            return allocator.directBuffer(Math.toIntExact(bytes));
        }

        @Override
        public void release(ByteBuf buffer) {
            buffer.release();
        }
    }

    /** Netty's pooled allocator, which has arenas and thread caches like jemalloc. */
    @State(Scope.Benchmark)
    public static class NettyPooled extends Netty {

        public NettyPooled() {
            super(PooledByteBufAllocator.DEFAULT);
        }
    }

    /** Netty's adaptive allocator, its default since 4.2: its chunks adapt to the sizes in use. */
    @State(Scope.Benchmark)
    public static class NettyAdaptive extends Netty {

        public NettyAdaptive() {
            super(new AdaptiveByteBufAllocator(true, true));
        }
    }

    /** Arrow's allocator, which accounts for every byte and takes its memory from Netty's pool. */
    @State(Scope.Benchmark)
    public static class Arrow implements Allocator<ArrowBuf> {

        private BufferAllocator allocator;

        @Setup
        public void open() {
            allocator = new RootAllocator();
        }

        @Override
        public ArrowBuf allocate(long bytes) {
            return allocator.buffer(bytes);
        }

        @Override
        public void release(ArrowBuf buffer) {
            buffer.close();
        }

        @TearDown
        public void close() {
            allocator.close();
        }
    }

    /**
     * The simplest pool: free lists by exact size under one lock.
     *
     * <p>It checks nothing. A caller that releases a segment twice corrupts it.
     */
    @State(Scope.Benchmark)
    public static class LockedMap implements Allocator<MemorySegment> {

        private final ReentrantLock lock = new ReentrantLock();
        private final Map<Long, ArrayDeque<MemorySegment>> cached = new HashMap<>();
        private Arena arena;

        @Setup
        public void open() {
            arena = Arena.ofShared();
        }

        @Override
        public MemorySegment allocate(long bytes) {
            lock.lock();
            try {
                ArrayDeque<MemorySegment> list = cached.get(bytes);
                if (list != null && !list.isEmpty()) {
                    return list.removeLast();
                }
            } finally {
                lock.unlock();
            }
            return arena.allocate(bytes);
        }

        @Override
        public void release(MemorySegment memory) {
            lock.lock();
            try {
                cached.computeIfAbsent(memory.byteSize(), size -> new ArrayDeque<>())
                        .addLast(memory);
            } finally {
                lock.unlock();
            }
        }

        @TearDown
        public void close() {
            arena.close();
        }
    }
}
