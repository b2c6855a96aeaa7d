package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.internal.shim.Shim;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Objects of a device that a program drops without closing them. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@EnumSource(Sizing.class)
class DroppedObjectsTest {
    private static final String LEAK = "became garbage and had never been closed; it was closed";
    private static final String PROPERTY = "mlx.leakDetection";

    @RegisterExtension
    final LogRecords log = new LogRecords();

    @TempDir
    Path folder;

    private final Sizing sizing;
    private final MlxDevice device = open("full");
    private final long bytesBefore = device.allocatedBytes();

    DroppedObjectsTest(Sizing sizing) {
        this.sizing = sizing;
    }

    @AfterEach
    void allMemoryIsFreed() {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private static MlxDevice open(String level) {
        System.setProperty(PROPERTY, level);
        try {
            return MlxDevice.open();
        } finally {
            System.clearProperty(PROPERTY);
        }
    }

    /** Runs code whose local variables are gone afterwards. */
    private static void drop(Runnable code) {
        code.run();
    }

    private void awaitLeaks(int count) {
        collectUntil(() -> log.with(LEAK).size() >= count);
        assertThat(log.with(LEAK)).hasSize(count);
    }

    private static void collectUntil(BooleanSupplier condition) {
        Async.await(() -> {
            if (condition.getAsBoolean()) {
                return true;
            }
            System.gc();
            return false;
        });
    }

    /** Waits until the detector has found another leak: it has then had time to find one of the tested object. */
    private void findAnotherLeak() {
        drop(device::newSharedEvent);
        awaitLeaks(1);
    }

    private MlxBuffer map() {
        try {
            Path file = Files.write(folder.resolve("weights"), new byte[100]);
            return device.map(file, 0, DType.U8, 100);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private MlxBuffer wrap(Arena pages) {
        long page = device.nativeDevice().traits().pageSize();
        return device.wrap(pages.allocate(page, page), DType.U8, 100);
    }

    @Test
    void buffersAreFreedAndLoggedWithTheStackOfTheirCreation() {
        try (Arena pages = Arena.ofShared()) {
            drop(() -> device.allocBuffer(1000, DType.U8));
            drop(this::map);
            drop(() -> wrap(pages));
            awaitLeaks(3);
        }
        assertThat(log.with("leak on the device: a buffer of 1000 bytes, u8[] " + LEAK))
                .hasSize(1);
        assertThat(log.with("leak on the device: a buffer of 100 bytes, u8[100] " + LEAK))
                .hasSize(2);
        assertThat(log.origins())
                .hasSize(3)
                .allSatisfy(origin -> assertThat(origin.getStackTrace())
                        .anyMatch(frame -> frame.getClassName().equals(DroppedObjectsTest.class.getName())));
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    @Test
    void theStackIsOfASampleUnlessTheLevelIsFull() {
        try (MlxDevice sampled = open("sampled")) {
            drop(() -> sampled.allocBuffer(1000, DType.U8));
            awaitLeaks(1);
        }
        AllocatedBytes.assertBackTo(device, bytesBefore);
        if (log.origins().isEmpty()) { // as 508 of 509
            assertThat(log.with("-Dmlx.leakDetection=full shows where it was created"))
                    .hasSize(1);
        }
    }

    @Test
    void nothingIsWatchedWhenTheLevelIsOff() {
        try (MlxDevice off = open("off")) {
            long[] event = new long[1];
            drop(() -> event[0] = off.newSharedEvent().handle().address());
            findAnotherLeak();
            assertThat(log.with("leak on the device")).hasSize(1);
            Shim.releaseEvent(MemorySegment.ofAddress(event[0])); // which nothing else can do
        }
    }

    @Test
    void thePropertyMustNameALevel() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> open("some"))
                .withMessage("-Dmlx.leakDetection=some names no level: it is 'off', 'sampled' or 'full'");
    }

    @Test
    void theLevelOfThePropertyIsThatOfPools() {
        System.setProperty(PROPERTY, "FULL");
        MlxBufferPool pool;
        try {
            pool = MlxBufferPool.builder(device).sizing(sizing).build();
        } finally {
            System.clearProperty(PROPERTY);
        }
        drop(() -> pool.alloc(1000, DType.U8));
        collectUntil(() -> pool.leakedCount() == 1);
        pool.close();
        log.await(1, "leak in pool");
    }

    @Test
    void closedObjectsAreNoLeaks() {
        try (Arena pages = Arena.ofShared()) {
            drop(() -> device.allocBuffer(1000, DType.U8).close());
            drop(() -> map().close());
            drop(() -> wrap(pages).close());
            drop(() -> device.newSharedEvent().close());
            drop(() -> device.newResidencySet("set").close());
            findAnotherLeak();
            assertThat(log.with("leak on the device")).hasSize(1);
        }
    }

    @Test
    void theSegmentOfADroppedBufferThrows() {
        MemorySegment allocated = device.allocBuffer(1000, DType.U8).segment();
        MemorySegment handle = device.allocBuffer(1000, DType.U8).handle();
        MemorySegment mapped = map().segment();
        awaitLeaks(3);
        AllocatedBytes.assertBackTo(device, bytesBefore);
        assertThatIllegalStateException().isThrownBy(() -> allocated.get(JAVA_BYTE, 0));
        assertThatIllegalStateException().isThrownBy(() -> mapped.get(JAVA_BYTE, 0));
        assertThat(handle.scope().isAlive()).isFalse();
    }

    @Test
    void thePagesOfADroppedWrappedBufferStayTheCallers() {
        try (Arena pages = Arena.ofShared()) {
            MemorySegment segment = wrap(pages).segment();
            awaitLeaks(1);
            segment.set(JAVA_BYTE, 99, (byte) 1);
        }
    }

    @Test
    void aSliceKeepsItsBuffer() {
        List<MlxBuffer> slices = new ArrayList<>();
        slices.add(device.allocBuffer(1000, DType.U8).slice(10, DType.U8, 5));
        findAnotherLeak();
        slices.getFirst().segment().set(JAVA_BYTE, 4, (byte) 1);
        slices.clear();
        awaitLeaks(2);
    }

    @Test
    void memoryThatANativeCallUsesIsFreedAfterTheCall() throws Exception {
        try (BlockingCall call =
                BlockingCall.on(device.allocBuffer(1000, DType.U8).segment())) {
            awaitLeaks(1);
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
        }
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    @Test
    void aDroppedEventIsClosed() {
        drop(() -> device.newSharedEvent().signal(1));
        awaitLeaks(1);
        assertThat(log.with("leak on the device: an event " + LEAK)).hasSize(1);
    }

    @Test
    void aFenceKeepsItsEvent() throws InterruptedException {
        List<MlxFence> fences = new ArrayList<>(List.of(signalled(1).at(1)));
        findAnotherLeak();
        assertThat(fences.getFirst().isComplete()).isTrue();
        fences.getFirst().await();
        fences.clear();
        awaitLeaks(2);
    }

    private MlxSharedEvent signalled(long value) {
        MlxSharedEvent event = device.newSharedEvent();
        event.signal(value);
        return event;
    }

    @Test
    void memoryThatIsParkedKeepsItsEvent() {
        try (MlxBufferPool pool = MlxBufferPool.builder(device).sizing(sizing).build()) {
            MemorySegment handle = park(pool);
            findAnotherLeak();
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            // Signals as a GPU does, which has its own reference to the event.
            Shim.signal(handle, 1);
            assertThat(pool.stats().parkedCount()).isZero();
            awaitLeaks(2);
        }
    }

    private MemorySegment park(MlxBufferPool pool) {
        MlxSharedEvent event = device.newSharedEvent();
        pool.release(pool.alloc(DType.U8, 256), event.at(1));
        return event.handle();
    }

    @Test
    void aDroppedResidencySetIsClosedAndItsMembersLiveOn() {
        try (MlxBuffer member = device.allocBuffer(1000, DType.U8)) {
            Consumer<String> use = label -> {
                MlxResidencySet set = device.newResidencySet(label);
                set.add(member);
                set.commit();
            };
            for (int round = 1; round <= 3; round++) {
                for (int i = 0; i < 20; i++) {
                    int number = i;
                    drop(() -> use.accept("set " + number));
                }
                // A process has at most 32 sets at once.
                awaitLeaks(20 * round);
            }
            assertThat(log.with("leak on the device: the residency set 'set 7' " + LEAK))
                    .hasSize(3);
            member.segment().set(JAVA_BYTE, 0, (byte) 1);
        }
    }

    @Test
    void aPoolKeepsItsResidencySet() {
        List<MlxBufferPool> pools = new ArrayList<>();
        pools.add(MlxBufferPool.builder(device)
                .sizing(sizing)
                .residencySet(device.newResidencySet("of the pool"))
                .build());
        findAnotherLeak();
        assertThat(log.with("of the pool")).isEmpty();
        pools.removeFirst().close();
        awaitLeaks(2);
        assertThat(log.with("of the pool")).hasSize(1);
    }
}
