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

/** What users of the Rust original fell into, and of pools like it: one test for each, red where the trap is open. */
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

    /** A buffer of 3,000 bytes from elsewhere was filed under 4,096, and handed out for 4,000. */
    @Test
    void trap1_foreignBuffersAreRefused() {
        MlxBuffer foreign = device.allocBuffer(3000, DType.U8);
        assertThatIllegalArgumentException().isThrownBy(() -> pool.release(foreign));
        MlxBuffer buffer = pool.alloc(4000, DType.U8);
        assertThat(buffer.segment().byteSize()).isEqualTo(4000);
        buffer.segment().fill((byte) 1);
        foreign.close();
    }

    /** The length was the bucket's: a reader of 12,288 floats read 16,384. */
    @Test
    void trap2_theLengthIsTheRequests() {
        MlxBuffer buffer = pool.alloc(DType.F32, 12_288);
        assertThat(buffer.byteLength()).isEqualTo(49_152);
        assertThat(buffer.segment().byteSize()).isEqualTo(49_152);
        assertThat(buffer.elementCount()).isEqualTo(12_288);
        assertThat(buffer.capacity()).isEqualTo(65_536);
    }

    /** Neither fresh nor reused memory was cleared: five cold runs gave five different results. */
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

    /** A released buffer was handed out while the GPU still read it. */
    @Test
    void trap4_memoryInFlightIsNotHandedOut() {
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

    /** A length of 0 succeeded, lengths above 2^62 overflowed the bucket, shapes beyond the bytes were accepted. */
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

    /** "A free buffer of compatible size" was promised. What is promised here is the bucket, and all of it. */
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

    /** Nothing gave memory back: 98 GB were cached for 4 GB in use. */
    @Test
    void trap7_whatIsCachedIsCountedAndGivenBack() {
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

    /** A buffer that was released and then reset was on the free list twice: two owners. */
    @Test
    void trap8_releaseAndResetMix() {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            buffers.add(pool.alloc(1000, DType.U8));
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
            MlxBuffer buffer = pool.alloc(1000, DType.U8);
            assertThat(owners.put(buffer.block(), buffer)).isNull();
        }
        assertThat(pool.stats().nativeAllocations()).isEqualTo(10);
    }

    /** Releasing a view freed the parent under other views. */
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

    /** Objective-C calls outside an autorelease pool leak, and say so on standard error, on threads that have none. */
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
        // One leaked page for each of 8,000 threads would be 32 MB or more; the JIT compiler was seen to take 10.
        assertThat(Long.parseLong(left.get(2))).as("growth of the process").isLessThan(32_000_000);
    }

    /** Rounding up to powers of two took 17.26 GB of weights to 25.55: weights come from the device, at their size. */
    @Test
    void trap11_weightsTakeWhatTheyAre() {
        long weights = (1 << 20) + (1 << 19) + 1;
        try (MlxBuffer buffer = device.allocBuffer(weights, DType.U8)) {
            assertThat(buffer.capacity()).isEqualTo(weights);
            assertThat(device.allocatedBytes() - bytesBefore).isBetween(weights, weights + (1 << 14));
        }
    }

    /** A stale segment never reaches memory that is gone. */
    @Test
    void staleSegmentsThrowOnceTheMemoryIsGone() {
        MlxBuffer buffer = pool.alloc(1000, DType.U8);
        MemorySegment stale = buffer.segment();
        buffer.close();
        pool.clear();
        assertThatIllegalStateException().isThrownBy(() -> stale.fill((byte) 1));
    }
}
