package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Failures of the native library, as a caller sees them. Needs a test build of the library. */
@Tag("faults")
@ParameterizedClass
@EnumSource(Sizing.class)
class FaultsTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    @TempDir
    Path folder;

    private final Sizing sizing;
    private final MlxDevice device = MlxDevice.open();
    private final long page = device.nativeDevice().traits().pageSize();
    private final MlxBufferPool pool;

    FaultsTest(Sizing sizing) {
        this.sizing = sizing;
        pool = MlxBufferPool.builder(device).sizing(sizing).build();
    }

    @AfterEach
    void nothingIsLeft() {
        NativeFaults.clear();
        pool.reset();
        pool.close();
        device.close();
        Async.await(() -> NativeFaults.liveDevices() == 0);
        assertThat(NativeFaults.liveBuffers()).isZero();
        assertThat(NativeFaults.liveEvents()).isZero();
        assertThat(NativeFaults.liveResidencySets()).isZero();
    }

    @Test
    void aMachineWithoutADeviceSaysSo() {
        NativeFaults.noDevice();
        assertThatExceptionOfType(DeviceNotFoundException.class).isThrownBy(MlxDevice::open);
        NativeFaults.clear();
        assertThatNoException().isThrownBy(() -> MlxDevice.open().close());
    }

    @Test
    void aDeviceWithoutMemoryNamesTheRequest() {
        NativeFaults.failCreate(1, 1);
        BufferAllocationException refusal =
                catchThrowableOfType(BufferAllocationException.class, () -> device.allocBuffer(DType.U8, 5000));
        assertThat(refusal.requestedBytes()).isEqualTo(5000);
        assertThat(refusal.poolStats()).isEmpty();
        assertThat(refusal).hasMessageContaining("5000 bytes");
        device.allocBuffer(DType.U8, 5000).close();
    }

    @Test
    void aPoolWithoutMemoryTellsWhatItHasAndLosesNothing() {
        long least = LeastBuffer.bytes(device, sizing);
        MlxBuffer active = pool.alloc(least, DType.U8);
        pool.alloc(4 * least, DType.U8).close();
        NativeFaults.byteBudget(device.allocatedBytes());
        BufferAllocationException refusal =
                catchThrowableOfType(BufferAllocationException.class, () -> pool.alloc(100_000, DType.U8));
        assertThat(refusal.requestedBytes()).isEqualTo(100_000);
        PoolStats stats = refusal.poolStats().orElseThrow();
        assertThat(stats)
                .returns(3L, PoolStats::requests)
                .returns(1L, PoolStats::failedAllocations)
                .returns(least, PoolStats::activeBytes)
                .returns(0L, PoolStats::cachedBytes)
                .returns(4 * least, PoolStats::trimmedBytes);
        long wholePages = (100_000 + page - 1) / page * page;
        assertThat(refusal)
                .hasMessageContainingAll(
                        "100000 bytes",
                        "a native buffer of " + wholePages + " was refused by the device",
                        least + " bytes in 1 active",
                        "0 cached",
                        "0 parked",
                        "make room on the device")
                .hasCauseInstanceOf(BufferAllocationException.class);
        assertThat(active.isReleased()).isFalse();
        assertThat(NativeFaults.liveBuffers()).isEqualTo(1);

        // The request succeeds after the caller has followed the advice of the message.
        active.close();
        pool.clear();
        NativeFaults.byteBudget(131_072 + page);
        pool.alloc(100_000, DType.U8).close();
        assertThat(pool.stats()).returns(1L, PoolStats::failedAllocations).returns(3L, PoolStats::nativeAllocations);
    }

    @Test
    void aHitNeedsNoMemoryOfTheDevice() {
        pool.alloc(1000, DType.U8).close();
        NativeFaults.byteBudget(0);
        pool.alloc(1000, DType.U8).close();
        assertThat(pool.stats().hits()).isEqualTo(1);
    }

    @Test
    void anEventThatCannotBeMadeLeavesNothing() {
        NativeFaults.failCreate(1, 1);
        assertThatExceptionOfType(MlxException.class).isThrownBy(device::newSharedEvent);
        assertThat(NativeFaults.liveEvents()).isZero();
    }

    @Test
    void aSystemWithoutResidencySetsIsAskedForNothing() {
        for (int cause : new int[] {1, 2}) {
            NativeFaults.noResidencySets(cause);
            try (MlxResidencySet set = device.newResidencySet("weights");
                    MlxBuffer buffer = device.allocBuffer(DType.U8, 100);
                    MlxBufferPool resident = MlxBufferPool.builder(device)
                            .sizing(sizing)
                            .residencySet(set)
                            .build()) {
                assertThat(set.isSupported()).isFalse();
                assertThat(set).hasToString("MlxResidencySet[0 buffers, unsupported]");
                set.add(buffer);
                set.commit();
                set.request();
                set.remove(buffer);
                set.end();
                resident.alloc(DType.U8, 100).close();
                assertThat(set.size()).isZero();
                assertThat(set.handle()).isEqualTo(MemorySegment.NULL);
                assertThat(NativeFaults.liveResidencySets()).isZero();
            }
        }
    }

    @Test
    void aResidencySetThatCannotBeMadeLeavesNothing() {
        NativeFaults.failCreate(1, 1);
        assertThatExceptionOfType(MlxException.class).isThrownBy(() -> device.newResidencySet("weights"));
        assertThat(NativeFaults.liveResidencySets()).isZero();
        device.newResidencySet("weights").close();
    }

    /** On virtual machines of macOS, a buffer that wraps pages has length 0. */
    @Test
    void pagesThatCannotBeSharedAreCopied() throws Exception {
        Path file = Files.write(folder.resolve("weights"), "the weights of a model".getBytes(StandardCharsets.UTF_8));
        NativeFaults.emptyWrap();
        try (Arena arena = Arena.ofShared();
                MlxBuffer mapped = device.map(file, 4, DType.U8, 7);
                MlxBuffer wrapped = device.wrap(arena.allocate(page, page).fill((byte) 3), DType.U8, 10)) {
            assertThat(mapped.isCopy()).isTrue();
            assertThat(mapped.segment().toArray(JAVA_BYTE))
                    .asString(StandardCharsets.UTF_8)
                    .isEqualTo("weights");
            assertThat(mapped.segment().isReadOnly()).isTrue();
            MemorySegment seenByTheDevice = Shim.contents(mapped.handle()).reinterpret(11);
            assertThat(seenByTheDevice.asSlice(mapped.handleOffset(), 7).toArray(JAVA_BYTE))
                    .isEqualTo(mapped.segment().toArray(JAVA_BYTE));
            assertThat(wrapped.isCopy()).isTrue();
            assertThat(wrapped.segment().toArray(JAVA_BYTE)).hasSize(10).containsOnly(3);
            assertThat(wrapped.segment().address())
                    .isEqualTo(Shim.contents(wrapped.handle()).address());
            assertThat(NativeFaults.liveBuffers()).isEqualTo(2);
        }
        assertThat(log.with("11 bytes are copied for the device")).hasSize(1);
        assertThat(log.with("bytes are copied for the device")).hasSize(2);
        NativeFaults.failCreate(2, 1);
        assertThatExceptionOfType(BufferAllocationException.class)
                .as("no memory for the copy either")
                .isThrownBy(() -> device.map(file, 0, DType.U8, 7));
    }

    @Test
    void aCopyThatFailsLeavesNothing() throws Exception {
        Path file = Files.write(folder.resolve("weights"), new byte[Math.toIntExact(4 * page)]);
        try (Arena arena = Arena.ofShared();
                FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MemorySegment mapping = channel.map(FileChannel.MapMode.READ_ONLY, 0, 4 * page, arena);
            channel.truncate(1);
            NativeFaults.emptyWrap();
            assertThatExceptionOfType(InternalError.class).isThrownBy(() -> device.wrap(mapping, DType.U8, 4 * page));
            assertThat(log.with("bytes are copied for the device")).hasSize(1);
            assertThat(NativeFaults.liveBuffers()).isZero();
        }
    }

    @Test
    void aResidencySetThatCannotGrowFailsTheRequest() {
        try (MlxResidencySet set = device.newResidencySet("weights");
                MlxBufferPool resident = MlxBufferPool.builder(device)
                        .sizing(sizing)
                        .residencySet(set)
                        .build()) {
            NativeFaults.byteBudget(0);
            assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> resident.alloc(DType.U8, 100));
            NativeFaults.clear();
            resident.alloc(DType.U8, 100).close();
            assertThat(resident.stats())
                    .returns(1L, PoolStats::failedAllocations)
                    .returns(1L, PoolStats::nativeAllocations);
            assertThat(set.size()).isEqualTo(1);
        }
    }

    @Test
    void memoryInANativeCallIsFreedAfterItThoughTheDeviceIsClosed() throws Exception {
        MlxDevice closing = MlxDevice.open();
        MlxBuffer buffer = closing.allocBuffer(DType.U8, 100);
        try (BlockingCall call = BlockingCall.on(buffer.segment())) {
            buffer.close();
            closing.close();
            assertThat(NativeFaults.liveBuffers()).isEqualTo(1);
        }
        Async.await(() -> NativeFaults.liveBuffers() == 0);
    }

    @Test
    void aBufferOfLengthZeroIsNoBuffer() {
        NativeFaults.emptyCreate();
        assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> device.allocBuffer(DType.U8, 100));
        assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> pool.alloc(DType.U8, 100));
        assertThat(pool.stats().failedAllocations()).isEqualTo(1);
    }

    @Test
    void wrappingThatFailsLeavesThePagesToTheirOwner() throws Exception {
        Path file = Files.write(folder.resolve("weights"), new byte[100]);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment pages = arena.allocate(page, page);
            NativeFaults.failCreate(1, 2);
            assertThatExceptionOfType(BufferAllocationException.class)
                    .isThrownBy(() -> device.wrap(pages, DType.U8, 1));
            assertThatExceptionOfType(BufferAllocationException.class)
                    .isThrownBy(() -> device.map(file, 0, DType.U8, 100));
            pages.fill((byte) 1);
            device.map(file, 0, DType.U8, 100).close();
        }
    }
}
