package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.internal.pool.Block;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Known defects of the Rust original and of similar pools. Each test fails if this library has the defect. */
@Tag("contract")
class TrapsTest {
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final MlxBufferPool pool = MlxBufferPool.create(device);

    @AfterEach
    void close() {
        pool.reset();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    /** The original caches a foreign buffer of 3,000 bytes under 4,096, and leases it for 4,000. */
    @Test
    void trap1_foreignBuffersAreRefused() {
        MlxBuffer foreign = device.allocBuffer(3000, DType.U8);
        assertThatIllegalArgumentException().isThrownBy(() -> pool.release(foreign));
        MlxBuffer buffer = pool.alloc(4000, DType.U8);
        assertThat(buffer.segment().byteSize()).isEqualTo(4000);
        buffer.segment().fill((byte) 1);
        foreign.close();
    }

    /** In the original, the length is that of the bucket: a reader of 12,288 floats reads 16,384. */
    @Test
    void trap2_theLengthIsTheRequests() {
        MlxBuffer buffer = pool.alloc(DType.F32, 12_288);
        assertThat(buffer.byteLength()).isEqualTo(49_152);
        assertThat(buffer.segment().byteSize()).isEqualTo(49_152);
        assertThat(buffer.elementCount()).isEqualTo(12_288);
        assertThat(buffer.capacity()).isEqualTo(65_536);
    }

    /** The original clears neither new nor reused memory: five cold runs give five different results. */
    @Test
    void trap3_contentsAreDefined() {
        for (int run = 0; run < 5; run++) {
            try (MlxBufferPool cold = MlxBufferPool.create(device);
                    MlxBufferPool clearing = MlxBufferPool.builder(device)
                            .zeroing(Zeroing.ALWAYS)
                            .build()) {
                for (MlxBufferPool each : List.of(cold, clearing)) {
                    MlxBuffer buffer = each.alloc(DType.U8, 50_000);
                    assertThat(buffer.block().segment().toArray(JAVA_BYTE)).containsOnly(0);
                    buffer.block().segment().fill((byte) 0xEE);
                    buffer.close();
                }
                MlxBuffer reused = clearing.alloc(DType.U8, 40_000);
                assertThat(reused.block().segment().toArray(JAVA_BYTE)).containsOnly(0);
                reused.close();
            }
        }
    }

    /** The original leases a released buffer again while the GPU still reads it. */
    @Test
    void trap4_memoryInFlightIsNotLeased() {
        try (MlxSharedEvent event = device.newSharedEvent()) {
            MlxBuffer inFlight = pool.alloc(1000, DType.U8);
            pool.release(inFlight, event.at(1));
            for (int i = 0; i < 10; i++) {
                assertThat(pool.alloc(1000, DType.U8).block()).isNotSameAs(inFlight.block());
            }
            pool.reset(event.at(2));
            assertThat(pool.alloc(1000, DType.U8).block()).isNotSameAs(inFlight.block());
            assertThat(pool.clear()).isZero();
            event.signal(2);
            assertThat(pool.freeCount()).isEqualTo(11);
        }
    }

    /** The original accepts a length of 0, lengths above 2^62, and shapes that are larger than the length. */
    @Test
    void trap5_impossibleRequestsAreRefused() {
        for (long byteLength : new long[] {0, -1, (1L << 62) + 1, Long.MAX_VALUE}) {
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(byteLength, DType.U8));
            assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(byteLength, DType.U8));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(16, DType.F32, 5));
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(16, DType.F32, 5));
        assertThat(pool.stats().requests()).isZero();
    }

    /**
     * The original promises "a free buffer of compatible size". Here, a bucket serves all of its sizes and no other.
     */
    @Test
    void trap6_aBucketServesAllOfItsSizesAndNoOther() {
        pool.alloc(2049, DType.U8).close();
        MlxBuffer largest = pool.alloc(4096, DType.U8);
        assertThat(pool.stats().hits()).isEqualTo(1);
        largest.close();
        pool.alloc(2048, DType.U8).close();
        pool.alloc(4097, DType.U8).close();
        assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(3L, PoolStats::nativeAllocations);
    }

    /** The original frees no memory: it caches 98 GB for 4 GB in use. */
    @Test
    void trap7_cachedMemoryIsCountedAndFreed() {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            buffers.add(pool.alloc(1 << 20, DType.U8));
        }
        buffers.forEach(pool::release);
        assertThat(pool.freeBytes()).isEqualTo(64L << 20);
        assertThat(pool.trim(8L << 20)).isEqualTo(56L << 20);
        AllocatedBytes.assertBackTo(device, bytesBefore + (8L << 20));
        pool.clear();
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    /** In the original, a buffer that is released and then reset is on the free list twice, and gets two owners. */
    @Test
    void trap8_releaseAndResetMix() {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            buffers.add(pool.alloc(100_000, DType.U8));
        }
        for (int i = 0; i < 10; i += 2) {
            pool.release(buffers.get(i));
        }
        pool.reset();
        assertThat(pool.freeCount()).isEqualTo(10);
        for (MlxBuffer buffer : buffers) {
            assertThatIllegalStateException().isThrownBy(() -> pool.release(buffer));
        }
        Map<Block, MlxBuffer> owners = new IdentityHashMap<>();
        for (int i = 0; i < 10; i++) {
            MlxBuffer buffer = pool.alloc(100_000, DType.U8);
            assertThat(owners.put(buffer.block(), buffer)).isNull();
        }
        assertThat(pool.stats().nativeAllocations()).isEqualTo(10);
    }

    /** In the original, releasing a view frees the parent under other views. */
    @Test
    void trap9_viewsNeverFreeTheirParent() {
        MlxBuffer parent = pool.alloc(1000, DType.U8);
        MlxBuffer first = parent.slice(0, DType.U8, 100);
        MlxBuffer second = parent.slice(100, DType.U8, 100);
        assertThatIllegalArgumentException().isThrownBy(() -> pool.release(first));
        first.close();
        MlxBuffer other = pool.alloc(1000, DType.U8);
        other.segment().fill((byte) 9);
        assertThat(second.segment().toArray(JAVA_BYTE)).containsOnly(0);
        pool.release(parent);
        assertThatIllegalStateException().isThrownBy(second::segment);
    }

    /** Objective-C calls on a thread without an autorelease pool leak, and report it on standard error. */
    @Test
    void trap10_threadsWithoutAnAutoreleasePoolLeakNothing() throws Exception {
        List<String> options = new ArrayList<>(ForkedJvm.sameLibrary());
        options.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch"));
        ForkedJvm jvm = ForkedJvm.run(options, ShortThreads.class, "10000");
        assertThat(jvm.err()).isEmpty();
        assertThat(jvm.exitStatus()).isZero();
        List<String> left = jvm.out().lines().toList();
        assertThat(left.get(0)).as("bytes on the device").isEqualTo("0");
        assertThat(left.get(1)).as("buffers and events").isEqualTo("0");
        // One leaked page for each of 8,000 threads would be 32 MB or more. The JIT compiler takes up to 10 MB.
        assertThat(Long.parseLong(left.get(2))).as("growth of the process").isLessThan(32_000_000);
    }

    /** In the original, rounding to powers of two makes 25.55 GB of 17.26 GB of weights. Here they keep their size. */
    @Test
    void trap11_weightsAreNotRoundedUp() {
        long weights = (1 << 20) + (1 << 19) + 1;
        try (MlxBuffer buffer = device.allocBuffer(weights, DType.U8)) {
            assertThat(buffer.capacity()).isEqualTo(weights);
            assertThat(device.allocatedBytes() - bytesBefore).isBetween(weights, weights + (1 << 14));
        }
    }

    /** A stale segment never reaches freed memory. */
    @Test
    void staleSegmentsThrowOnceTheMemoryIsFreed() {
        MlxBuffer buffer = pool.alloc(1000, DType.U8);
        MemorySegment stale = buffer.segment();
        buffer.close();
        pool.clear();
        assertThatIllegalStateException().isThrownBy(() -> stale.fill((byte) 1));
    }
}
