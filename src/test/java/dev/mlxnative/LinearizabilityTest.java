package dev.mlxnative;

import dev.mlxnative.internal.device.DeviceMemoryList;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.observe.JfrEvents;
import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.shim.Shim;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.jetbrains.kotlinx.lincheck.Actor;
import org.jetbrains.kotlinx.lincheck.execution.ExecutionScenario;
import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.ManagedStrategyGuaranteeKt;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.jetbrains.lincheck.datastructures.ThreadIdGen;
import org.jetbrains.lincheck.datastructures.Validate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.objectweb.asm.ClassReader;

/**
 * Lincheck tests that a pool is linearizable: when two threads call it, the results of all calls are those of some
 * sequential order of the calls.
 *
 * <p>There are three specifications, because the pool promises no order across them: a lease ends before its memory
 * counts as cached, and {@code reset} ends the leases that it finds one by one.
 */
@EnabledIf(
        value = "lincheckReadsTheClassesOfThisJdk",
        disabledReason = "Lincheck is not run: its ASM cannot read the class files of a JDK as new as this one.")
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LinearizabilityTest {
    /** A page or more, so that each lease has a native buffer of its own. */
    private static final int LENGTH = 1 << 16;

    /** A strong reference: the garbage collector can take an unreferenced logger, and its level with it. */
    private static final Logger LOG = Logger.getLogger("dev.mlxnative");

    private static final ExecutionScenario TWO_ENDS = scenario(
            List.of(call(LeaseGeneration.class, "issue")),
            List.of(call(LeaseGeneration.class, "end", 1), call(LeaseGeneration.class, "issue")),
            List.of(call(LeaseGeneration.class, "endCurrent"), call(LeaseGeneration.class, "isLive", 3)));

    private final long bytesBefore = Shared.device().allocatedBytes();

    /** Holds the device. The model checker ignores this class: it neither traces the device nor restores its state. */
    private static final class Shared {
        private static final MlxDevice DEVICE = MlxDevice.open();

        static MlxDevice device() {
            return DEVICE;
        }
    }

    /** Whether ASM can read a class of this JDK. Lincheck instruments such classes; its model checker hangs without. */
    static boolean lincheckReadsTheClassesOfThisJdk() throws IOException {
        try {
            new ClassReader("java.lang.Object");
            return true;
        } catch (IllegalArgumentException unsupportedVersion) {
            return false;
        }
    }

    /** Log handlers add many steps to the model, and their steps depend on the clock. */
    @BeforeAll
    static void turnLoggingOff() {
        LOG.setLevel(Level.OFF);
    }

    @AfterAll
    static void turnLoggingOn() {
        LOG.setLevel(null);
        Shared.device().close();
    }

    @AfterEach
    void nothingIsLeft() {
        AllocatedBytes.assertBackTo(Shared.device(), bytesBefore);
    }

    @ParameterizedTest
    @ValueSource(classes = {Leases.class, CompactLeases.class})
    void leasesEndOnce(Class<?> leases) {
        modelChecking()
                .sequentialSpecification(SequentialLeases.class)
                // Few of the orders have a release and a new lease during a reset.
                .iterations(1)
                .invocationsPerIteration(300)
                .addCustomScenario(scenario(
                        List.of(),
                        List.of(call(Leases.class, "release", 0), call(Leases.class, "alloc")),
                        List.of(call(Leases.class, "reset"))))
                .addCustomScenario(scenario(
                        List.of(),
                        List.of(call(Leases.class, "close", 0), call(Leases.class, "alloc")),
                        List.of(call(Leases.class, "release", 0), call(Leases.class, "release", 1))))
                .addCustomScenario(scenario(
                        List.of(call(Leases.class, "park", 0)),
                        List.of(call(Leases.class, "complete"), call(Leases.class, "alloc")),
                        List.of(call(Leases.class, "complete"), call(Leases.class, "reset"))))
                .check(leases);
    }

    @ParameterizedTest
    @ValueSource(classes = {FreeMemory.class, CompactFreeMemory.class})
    void freeMemoryIsCountedOnce(Class<?> freeMemory) {
        modelChecking()
                .sequentialSpecification(SequentialFreeMemory.class)
                .addCustomScenario(scenario(
                        List.of(call(FreeMemory.class, "alloc", 0), call(FreeMemory.class, "alloc", 1)),
                        List.of(call(FreeMemory.class, "release", 0), call(FreeMemory.class, "freeCount")),
                        List.of(call(FreeMemory.class, "release", 1), call(FreeMemory.class, "freeCount"))))
                .addCustomScenario(scenario(
                        List.of(call(FreeMemory.class, "alloc", 0), call(FreeMemory.class, "release", 0)),
                        List.of(call(FreeMemory.class, "alloc", 0), call(FreeMemory.class, "freeCount")),
                        List.of(call(FreeMemory.class, "clear"), call(FreeMemory.class, "alloc", 1))))
                .addCustomScenario(scenario(
                        List.of(call(FreeMemory.class, "alloc", 0)),
                        List.of(call(FreeMemory.class, "release", 0), call(FreeMemory.class, "freeCount")),
                        List.of(call(FreeMemory.class, "close"), call(FreeMemory.class, "alloc", 1))))
                .check(freeMemory);
    }

    @Test
    void leaseGenerationsAreModelChecked() {
        modelChecking()
                .sequentialSpecification(SequentialGeneration.class)
                .addCustomScenario(TWO_ENDS)
                .check(LeaseGeneration.class);
    }

    /** The model checker assumes sequential consistency. Stress mode runs on the memory model of this machine's CPU. */
    @Test
    void leaseGenerationsAreStressed() {
        new StressOptions()
                .iterations(3)
                .invocationsPerIteration(500)
                .threads(2)
                .actorsPerThread(3)
                .actorsBefore(1)
                .actorsAfter(1)
                .sequentialSpecification(SequentialGeneration.class)
                .addCustomScenario(TWO_ENDS)
                .check(LeaseGeneration.class);
    }

    private static ModelCheckingOptions modelChecking() {
        return new ModelCheckingOptions()
                .iterations(3)
                .invocationsPerIteration(100)
                .threads(2)
                .actorsPerThread(3)
                .actorsBefore(1)
                .actorsAfter(1)
                // The pool holds no lock when it calls the device and Flight Recorder, which have locks of their own.
                .addGuarantee(ManagedStrategyGuaranteeKt.forClasses(
                                Shared.class.getName(),
                                JfrEvents.class.getName(),
                                MlxDevice.class.getName(),
                                NativeDevice.class.getName(),
                                Shim.class.getName(),
                                mlxshim_h.class.getName())
                        .allMethods()
                        .ignore())
                // The model checker cannot restore the constants of immutable lists.
                .addGuarantee(ManagedStrategyGuaranteeKt.forClasses("java.util.List", "java.util.ImmutableCollections")
                        .allMethods()
                        .ignore());
    }

    /** A pool whose behaviour depends neither on chance nor on the clock. */
    private static MlxBufferPool pool(Sizing sizing) {
        return MlxBufferPool.builder(Shared.device())
                .sizing(sizing)
                .leakDetection(LeakDetection.OFF)
                .trimIdleAfter(Duration.ZERO)
                .purgeableAfter(Duration.ZERO)
                .build();
    }

    private static ExecutionScenario scenario(List<Actor> before, List<Actor> thread, List<Actor> other) {
        return new ExecutionScenario(before, List.of(thread, other), List.of(), null);
    }

    private static Actor call(Class<?> operations, String name, Object... arguments) {
        return Stream.of(operations.getMethods())
                .filter(method -> method.getName().equals(name))
                .map(method -> new Actor(method, Arrays.asList(arguments)))
                .findFirst()
                .orElseThrow();
    }

    private static void require(boolean holds, PoolStats stats) {
        if (!holds) {
            throw new IllegalStateException(stats.toString());
        }
    }

    /** Leases that can share one block of memory. At most one is live: a reset of several is not atomic. */
    @Param(name = "lease", gen = IntGen.class, conf = "0:1")
    public static class Leases {
        static final int MOST = 4;

        private final MlxBufferPool pool;
        private final TestFence fence = new TestFence();
        private final MlxBuffer[] leases = new MlxBuffer[MOST];
        private volatile int count = 1;

        public Leases() {
            this(Sizing.POWER_OF_TWO);
        }

        Leases(Sizing sizing) {
            pool = pool(sizing);
            leases[0] = pool.alloc(LENGTH, DType.U8);
        }

        @Operation(nonParallelGroup = "alloc")
        public boolean alloc() {
            if (count == MOST || isLive(count - 1)) {
                return false;
            }
            leases[count] = pool.alloc(LENGTH, DType.U8);
            count++;
            return true;
        }

        @Operation(params = "lease")
        public boolean release(int lease) {
            return lease < count && succeeds(() -> pool.release(leases[lease]));
        }

        @Operation(params = "lease")
        public boolean park(int lease) {
            return lease < count && succeeds(() -> pool.release(leases[lease], fence));
        }

        private static boolean succeeds(Runnable release) {
            try {
                release.run();
                return true;
            } catch (IllegalStateException endedBefore) {
                return false;
            }
        }

        @Operation(params = "lease")
        public void close(int lease) {
            if (lease < count) {
                leases[lease].close();
            }
        }

        @Operation(params = "lease")
        public boolean isLive(int lease) {
            return lease < count && !leases[lease].isReleased();
        }

        @Operation
        public void reset() {
            pool.reset();
        }

        @Operation
        public void complete() {
            fence.complete();
            pool.freeCount();
        }

        @Validate
        public void everyBufferIsInOnePlace() {
            PoolStats stats = pool.stats();
            require(stats.activeCount() == (isLive(count - 1) ? 1 : 0), stats);
            require(
                    stats.activeCount() + stats.cachedCount() + stats.parkedCount() == stats.nativeAllocations(),
                    stats);
            fence.complete();
            pool.reset();
            PoolStats last = pool.stats();
            require(last.cachedCount() == last.nativeAllocations(), last);
            require(last.cachedBytes() == last.footprintBytes() && last.requestedBytes() == 0, last);
            pool.close();
        }
    }

    /** The same leases in a compact pool. */
    public static class CompactLeases extends Leases {
        public CompactLeases() {
            super(Sizing.COMPACT);
        }
    }

    public static class SequentialLeases {
        private int count = 1;
        private boolean live = true;

        public boolean alloc() {
            if (count == Leases.MOST || live) {
                return false;
            }
            count++;
            live = true;
            return true;
        }

        public boolean release(int lease) {
            if (!isLive(lease)) {
                return false;
            }
            live = false;
            return true;
        }

        public boolean park(int lease) {
            return release(lease);
        }

        public void close(int lease) {
            release(lease);
        }

        public boolean isLive(int lease) {
            return live && lease == count - 1;
        }

        public void reset() {
            live = false;
        }

        public void complete() {}
    }

    /** The cached memory of a pool. Each thread releases only buffers that it leased itself. */
    @Param(name = "thread", gen = ThreadIdGen.class)
    public static class FreeMemory {
        static final int MOST_THREADS = 4;

        private final MlxBufferPool pool;
        private final List<Deque<MlxBuffer>> held = Stream.generate(
                        () -> (Deque<MlxBuffer>) new ArrayDeque<MlxBuffer>())
                .limit(MOST_THREADS)
                .toList();

        public FreeMemory() {
            this(Sizing.POWER_OF_TWO);
        }

        FreeMemory(Sizing sizing) {
            pool = pool(sizing);
        }

        @Operation(params = "thread")
        public boolean alloc(int thread) {
            try {
                held.get(thread).add(pool.alloc(LENGTH, DType.U8));
                return true;
            } catch (IllegalStateException closed) {
                return false;
            }
        }

        @Operation(params = "thread")
        public boolean release(int thread) {
            MlxBuffer buffer = held.get(thread).poll();
            if (buffer == null) {
                return false;
            }
            pool.release(buffer);
            return true;
        }

        @Operation
        public int freeCount() {
            return pool.freeCount();
        }

        @Operation
        public long clear() {
            return pool.clear();
        }

        @Operation
        public void close() {
            pool.close();
        }

        @Validate
        public void heldBuffersAreActive() {
            PoolStats stats = pool.stats();
            int count = held.stream().mapToInt(Deque::size).sum();
            require(stats.activeCount() == count && stats.activeBytes() == LENGTH * count, stats);
            held.forEach(buffers -> buffers.forEach(MlxBuffer::close));
            pool.close();
            PoolStats last = pool.stats();
            require(last.footprintBytes() == 0, last);
        }
    }

    /** The cached memory of a compact pool. */
    public static class CompactFreeMemory extends FreeMemory {
        public CompactFreeMemory() {
            super(Sizing.COMPACT);
        }
    }

    public static class SequentialFreeMemory {
        private final int[] held = new int[FreeMemory.MOST_THREADS];
        private int free;
        private boolean closed;

        public boolean alloc(int thread) {
            if (closed) {
                return false;
            }
            free = Math.max(free - 1, 0);
            held[thread]++;
            return true;
        }

        public boolean release(int thread) {
            if (held[thread] == 0) {
                return false;
            }
            held[thread]--;
            free += closed ? 0 : 1;
            return true;
        }

        public int freeCount() {
            return free;
        }

        public long clear() {
            long bytes = (long) free * LENGTH;
            free = 0;
            return bytes;
        }

        public void close() {
            closed = true;
            free = 0;
        }
    }

    /**
     * A block's lease generation. One owner issues leases; any thread ends one by its generation, or the current one.
     */
    @Param(name = "generation", gen = IntGen.class, conf = "0:3")
    public static class LeaseGeneration {
        private final Block memory = Block.whole(Shared.device().nativeDevice().allocate(LENGTH));

        @Operation(nonParallelGroup = "owner")
        public long issue() {
            return Block.isLease(memory.generation()) ? 0 : memory.issue();
        }

        @Operation(params = "generation")
        public boolean end(int generation) {
            return memory.end(generation);
        }

        @Operation
        public boolean endCurrent() {
            return memory.end(memory.generation());
        }

        @Operation(params = "generation")
        public boolean isLive(int generation) {
            return memory.isActive(generation);
        }

        @Validate
        public void free() {
            Shared.device().nativeDevice().free(DeviceMemoryList.of(memory.memory()), freed -> {});
        }
    }

    public static class SequentialGeneration {
        private long current;

        public long issue() {
            return Block.isLease(current) ? 0 : ++current;
        }

        public boolean end(int generation) {
            if (generation != current || !Block.isLease(generation)) {
                return false;
            }
            current++;
            return true;
        }

        public boolean endCurrent() {
            return end((int) current);
        }

        public boolean isLive(int generation) {
            return generation == current;
        }
    }
}
