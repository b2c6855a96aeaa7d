package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of every pool, whatever its configuration. Each subclass tests one configuration. */
@Tag("contract")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
abstract class PoolContract {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    /** Stays open when a test closes the device. */
    final MlxDevice witness = MlxDevice.open();

    final long bytesBefore = witness.allocatedBytes();
    final MlxDevice device = MlxDevice.open();
    final MlxSharedEvent event = device.newSharedEvent();
    final MlxBufferPool pool = configure(MlxBufferPool.builder(device)).build();

    abstract MlxBufferPool.Builder configure(MlxBufferPool.Builder builder);

    /** Bytes of a page: smaller buffers share native buffers. */
    final long page() {
        return device.nativeDevice().traits().pageSize();
    }

    @AfterEach
    void allMemoryIsFreed() {
        checkIdentities();
        pool.reset();
        pool.close();
        try {
            event.signal(Long.MAX_VALUE);
        } catch (IllegalStateException closedByTheTest) {
            assertThat(closedByTheTest).hasMessage("the event is closed");
        }
        // A thread that waits for the event frees the memory that was parked when the pool closed.
        AllocatedBytes.assertBackTo(witness, bytesBefore);
        event.close();
        device.close();
        witness.close();
    }

    /** Asserts the warning that this many buffers were leased when the pool was closed. */
    private void assertClosedWith(int count, String bytes) {
        assertThat(log.with("pool " + pool.name() + " was closed with " + count + " active buffer(s) of " + bytes))
                .hasSize(1);
        assertThat(log.with("when pool " + pool.name() + " was closed: a "))
                .as("leases that the leak detector happens to sample")
                .hasSizeLessThanOrEqualTo(count);
    }

    /** For pools whose segments outlive their lease: such a segment sees later contents until its memory is freed. */
    final void assertStaleSegmentsSeeTheNextContentsOrThrow() {
        MlxBuffer buffer = pool.alloc(DType.U8, 100);
        MemorySegment stale = buffer.segment();
        buffer.close();
        assertThat(stale.get(JAVA_BYTE, 0)).isZero();
        MlxBuffer next = pool.alloc(DType.U8, 100);
        next.segment().fill((byte) 5);
        assertThat(stale.get(JAVA_BYTE, 99)).isEqualTo((byte) 5);
        next.close();
        pool.clear();
        assertThatIllegalStateException().isThrownBy(() -> stale.get(JAVA_BYTE, 0));
    }

    final void checkIdentities() {
        PoolStats stats = pool.stats();
        assertThat(stats.requests()).isEqualTo(stats.hits() + stats.nativeAllocations() + stats.failedAllocations());
        assertThat(stats.footprintBytes()).isEqualTo(stats.activeBytes() + stats.cachedBytes() + stats.parkedBytes());
        assertThat(stats.requestedBytes()).isBetween(0L, stats.activeBytes());
        assertThat(stats.peakActiveBytes()).isGreaterThanOrEqualTo(stats.activeBytes());
        assertThat(stats.peakFootprintBytes()).isGreaterThanOrEqualTo(stats.footprintBytes());
    }

    @Nested
    class Requests {
        @ParameterizedTest
        @ValueSource(longs = {0, -1, Long.MIN_VALUE, 1L << 62, Long.MAX_VALUE})
        void ofImpossibleLengthsAreRefusedAndNotCounted(long byteLength) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> pool.alloc(byteLength, DType.U8))
                    .withMessageContainingAll(
                            "" + byteLength, "" + device.info().maxBufferLength());
            assertThat(pool.stats().requests()).isZero();
        }

        @Test
        void ofImpossibleShapesAreRefused() {
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(15, DType.F32, 4));
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(DType.F32, 1L << 32, 1L << 32));
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(1024, DType.F32, 1L << 32, 1L << 32));
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(DType.F32, 3, -1));
            assertThat(pool.stats().footprintBytes()).isZero();
        }

        @Test
        void ofEmptyShapesLeaseMemoryWithoutBytes() {
            MlxBuffer whole = pool.alloc(DType.F32, 1, 0, 64);
            MlxBuffer sized = pool.alloc(0, DType.U8, 0);
            assertThat(pool.stats()).returns(2, PoolStats::activeCount).returns(2L, PoolStats::requestedBytes);
            for (MlxBuffer buffer : new MlxBuffer[] {whole, sized}) {
                assertThat(buffer.elementCount()).isZero();
                assertThat(buffer.byteLength()).isZero();
                assertThat(buffer.segment().byteSize()).isZero();
                assertThat(buffer.capacity()).isPositive();
                assertThat(buffer.handle().address()).isNotZero();
                assertThat(buffer.handleOffset()).isBetween(0L, mlxshim_h.mlxshim_buffer_length(buffer.handle()) - 1);
                assertThat(buffer.slice(0, DType.F32, 0).byteLength()).isZero();
            }
            assertThat(whole.segment().address()).isNotEqualTo(sized.segment().address());
            MemorySegment stale = sized.segment();
            sized.close();
            assertThat(sized.isReleased()).isTrue();
            assertThat(stale.byteSize()).isZero();
            assertThatIllegalStateException().isThrownBy(sized::segment);
            pool.reset();
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(0L, PoolStats::requestedBytes);
            try (MlxScope scope = pool.scope()) {
                assertThat(scope.alloc(DType.F64, 0).segment().byteSize()).isZero();
            }
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(-1, DType.F32, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(DType.F32, 0, -1));
        }

        @Test
        void areTypedAndShaped() {
            MlxBuffer buffer = pool.alloc(DType.BF16, 3, 5);
            assertThat(buffer.dtype()).isEqualTo(DType.BF16);
            assertThat(buffer.shape()).containsExactly(3, 5);
            assertThat(buffer.byteLength()).isEqualTo(30);
            buffer.close();
        }

        @Test
        void startZeroedInNewMemory() {
            MlxBuffer buffer = pool.alloc(5000, DType.U8);
            assertThat(buffer.segment().toArray(JAVA_BYTE)).containsOnly(0);
            buffer.close();
        }
    }

    @Nested
    class Leases {
        private final MlxBuffer buffer = pool.alloc(DType.F32, 10);

        @Test
        void endByRelease() {
            pool.release(buffer);
            assertEnded();
        }

        @Test
        void endByClose() {
            buffer.close();
            assertEnded();
        }

        @Test
        void endByReset() {
            pool.reset();
            assertEnded();
        }

        private void assertEnded() {
            assertThat(buffer.isReleased()).isTrue();
            assertThatIllegalStateException().isThrownBy(buffer::segment);
            assertThatIllegalStateException().isThrownBy(buffer::handle);
            assertThatIllegalStateException().isThrownBy(() -> buffer.slice(0, DType.U8, 1));
            assertThatIllegalStateException().isThrownBy(() -> buffer.label("late"));
            assertThat(pool.stats().activeCount()).isZero();
            long freeBytes = pool.freeBytes();
            assertThat(freeBytes).isEqualTo(pool.stats().footprintBytes());
            assertThatIllegalStateException()
                    .isThrownBy(() -> pool.release(buffer))
                    .withMessageContaining("released before");
            buffer.close();
            pool.reset();
            assertThat(pool.freeBytes()).isEqualTo(freeBytes);
        }

        @Test
        void ofFormerHoldersStayEnded() {
            pool.release(buffer);
            MlxBuffer next = pool.alloc(DType.F32, 10);
            assertThat(next.block()).isSameAs(buffer.block());
            assertThatIllegalStateException().isThrownBy(() -> pool.release(buffer));
            buffer.close();
            assertThat(next.isReleased()).isFalse();
            assertThat(buffer.isReleased()).isTrue();
            assertThat(pool.stats().activeCount()).isEqualTo(1);
            next.close();
        }

        /** A thread that reads the generation between two leases can end neither of them with it. */
        @Test
        void cannotBeEndedBetweenTwoOfThem() {
            Block memory = buffer.block();
            long lease = memory.generation();
            assertThat(Block.isLease(lease)).isTrue();
            pool.release(buffer);
            assertThat(memory.end(lease)).isFalse();
            assertThat(memory.end(memory.generation())).isFalse();
            assertThat(memory.end(memory.generation() + 1)).isFalse();
        }

        @Test
        void ofOtherPoolsAreRefused() {
            try (MlxBufferPool other = configure(MlxBufferPool.builder(device)).build();
                    MlxBuffer direct = device.allocBuffer(DType.U8, 10)) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> other.release(buffer))
                        .withMessageContaining("was not made by");
                assertThatIllegalArgumentException().isThrownBy(() -> pool.release(direct));
                assertThatIllegalArgumentException().isThrownBy(() -> other.release(buffer, event.at(1)));
                assertThat(other.stats().cachedCount()).isZero();
            }
            assertThat(buffer.isReleased()).isFalse();
            assertThat(pool.stats().activeCount()).isEqualTo(1);
        }

        @Test
        void areNotEndedThroughSlices() {
            MlxBuffer slice = buffer.slice(0, DType.U8, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> pool.release(slice))
                    .withMessageContaining("is a slice");
            slice.close();
            assertThat(buffer.isReleased()).isFalse();
            assertThat(pool.stats().activeCount()).isEqualTo(1);
        }

        @Test
        void takeTheirLabelsWithThem() {
            buffer.label("mine");
            pool.release(buffer);
            MlxBuffer next = pool.alloc(DType.F32, 10);
            assertThat(label(next)).isEmpty();
            next.close();
        }

        private static String label(MlxBuffer buffer) {
            try (var arena = java.lang.foreign.Arena.ofConfined()) {
                MemorySegment text = arena.allocate(64);
                dev.mlxnative.internal.shim.ffi.mlxshim_h.mlxshim_buffer_label(buffer.handle(), text, 64);
                return text.getString(0);
            }
        }
    }

    @Nested
    class Fences {
        @Test
        void parkMemoryUntilTheyComplete() {
            MlxBuffer buffer = pool.alloc(DType.U8, 1000);
            pool.release(buffer, event.at(1));
            assertThat(buffer.isReleased()).isTrue();
            MlxBuffer second = pool.alloc(DType.U8, 1000);
            assertThat(second.block()).isNotSameAs(buffer.block());
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            assertThat(pool.stats().parkedBytes()).isEqualTo(1024);
            event.signal(1);
            MlxBuffer third = pool.alloc(DType.U8, 1000);
            assertThat(pool.stats().parkedCount()).isZero();
            assertThat(pool.stats().nativeAllocations())
                    .as("in the memory that was parked, or in memory next to it")
                    .isLessThanOrEqualTo(2);
            second.close();
            third.close();
        }

        @Test
        void thatAreCompleteParkNothing() {
            pool.release(pool.alloc(DType.U8, 1000), event.at(0));
            assertThat(pool.stats())
                    .returns(0, PoolStats::parkedCount)
                    .returns(pool.stats().footprintBytes(), PoolStats::cachedBytes);
        }

        @Test
        void completeOutOfOrder() {
            MlxBuffer first = pool.alloc(DType.U8, 100);
            MlxBuffer second = pool.alloc(DType.U8, 100);
            try (MlxSharedEvent other = device.newSharedEvent()) {
                pool.release(first, event.at(1));
                pool.release(second, other.at(1));
                other.signal(1);
                MlxBuffer next = pool.alloc(DType.U8, 100);
                assertThat(next.block()).isNotSameAs(first.block());
                assertThat(pool.stats().parkedCount()).isEqualTo(1);
                next.close();
            }
        }

        @Test
        void holdForAWholeReset() {
            List<MlxBuffer> buffers = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                buffers.add(pool.alloc(DType.U8, 100));
            }
            pool.reset(event.at(7));
            assertThat(buffers).allMatch(MlxBuffer::isReleased);
            assertThat(pool.stats().parkedCount()).isEqualTo(10);
            event.signal(7);
            assertThat(pool.stats()).returns(0, PoolStats::parkedCount).returns(0, PoolStats::activeCount);
        }

        @Test
        void keepMemoryFromTrimAndClear() {
            pool.release(pool.alloc(DType.U8, 100), event.at(1));
            assertThat(pool.clear()).isZero();
            assertThat(pool.stats().parkedBytes()).isEqualTo(256);
            event.signal(1);
            assertThat(pool.clear()).isGreaterThanOrEqualTo(256);
            assertThat(pool.stats().footprintBytes()).isZero();
        }

        @Test
        void ofClosedEventsAreRefusedBeforeAnythingHappens() {
            MlxBuffer buffer = pool.alloc(DType.U8, 100);
            MlxSharedEvent closed = device.newSharedEvent();
            MlxFence fence = closed.at(1);
            closed.close();
            assertThatIllegalStateException().isThrownBy(() -> pool.release(buffer, fence));
            assertThatIllegalStateException().isThrownBy(() -> pool.reset(fence));
            assertThat(buffer.isReleased()).isFalse();
            assertThat(pool.stats().activeCount()).isEqualTo(1);
            pool.release(buffer);
        }

        @Test
        void thatFailKeepTheirMemoryParkedAndFailNoOtherRequest() {
            TestFence fence = new TestFence();
            MlxBuffer buffer = pool.alloc(DType.U8, 100);
            Block parked = buffer.block();
            pool.release(buffer, fence);
            fence.failing = true;
            MlxBuffer other = pool.alloc(DType.U8, 100);
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            assertThat(other.block()).isNotSameAs(parked);
            assertThat(log.with("failed")).as("reported once").hasSize(1);
            assertThatExceptionOfType(TestFence.Failure.class)
                    .isThrownBy(() -> pool.release(other, fence))
                    .as("the caller passes the fence that fails");
            assertThat(other.isReleased()).isFalse();
            fence.failing = false;
            fence.complete();
            other.close();
            assertThat(pool.stats().parkedCount()).isZero();
        }
    }

    /**
     * Fences with unusual methods. The pool compares fences by identity, and calls none of their code under its lock.
     */
    @Nested
    class StrangeFences {
        private final class Equal implements MlxFence {
            private final TestFence fence = new TestFence();

            @Override
            public boolean isComplete() {
                return fence.isComplete();
            }

            @Override
            public void await() throws InterruptedException {
                fence.await();
            }

            @Override
            public boolean equals(Object other) {
                return other instanceof Equal;
            }

            @Override
            public int hashCode() {
                return isComplete() ? 1 : 2;
            }
        }

        private final class Nameless implements MlxFence {
            @Override
            public boolean isComplete() {
                return event.signaledValue() > 0;
            }

            @Override
            public void await() throws InterruptedException {
                event.at(1).await();
            }

            @Override
            public int hashCode() {
                throw new TestFence.Failure();
            }

            @Override
            public boolean equals(Object other) {
                throw new TestFence.Failure();
            }

            @Override
            public String toString() {
                throw new TestFence.Failure();
            }
        }

        @Test
        void areToldApart() {
            Equal first = new Equal();
            Equal second = new Equal();
            MlxBuffer free = pool.alloc(DType.U8, 100);
            MlxBuffer inUse = pool.alloc(DType.U8, 100);
            pool.release(free, first);
            pool.release(inUse, second);
            first.fence.complete();
            MlxBuffer next = pool.alloc(DType.U8, 100);
            assertThat(next.block()).isNotSameAs(inUse.block());
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            second.fence.complete();
            next.close();
            assertThat(pool.stats().parkedCount()).isZero();
        }

        @Test
        void needNeitherEqualsNorHashCode() {
            Nameless fence = new Nameless();
            pool.release(pool.alloc(DType.U8, 100), fence);
            pool.alloc(DType.U8, 200);
            pool.reset(fence);
            assertThat(pool.stats().parkedCount()).isEqualTo(2);
            event.signal(1);
            assertThat(pool.stats().parkedCount()).isZero();
        }

        @Test
        void mayCallThePool() {
            MlxScope scope = pool.scope();
            MlxFence callingBack = new MlxFence() {
                private boolean asked;

                @Override
                public boolean isComplete() {
                    boolean first = !asked;
                    asked = true;
                    if (!first) {
                        scope.close();
                        pool.reset();
                    }
                    return event.signaledValue() > 0;
                }

                @Override
                public void await() {
                    throw new AssertionError("no thread has to wait");
                }
            };
            pool.release(pool.alloc(DType.U8, 5000), callingBack);
            assertThatIllegalStateException()
                    .as("a miss, which asks for fences")
                    .isThrownBy(() -> scope.alloc(DType.U8, 100_000))
                    .withMessage("the scope is closed");
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(1, PoolStats::parkedCount);
            event.signal(1);
            assertThat(pool.stats().parkedCount()).isZero();
        }
    }

    @Nested
    class Statistics {
        @Test
        void ofANewPoolAreZero() {
            assertThat(pool.stats())
                    .isEqualTo(new PoolStats(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, device.allocatedBytes()));
            assertThat(pool.stats().hitRate()).isEqualTo(1);
            assertThat(pool).hasToString("MlxBufferPool[" + pool.name() + ": 0 active, 0 cached, 0 parked, 0 bytes]");
        }
    }

    @Nested
    class Trimming {
        @Test
        void freesTheMemory() {
            pool.alloc(1 << 20, DType.U8).close();
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
            assertThat(pool.clear()).isGreaterThanOrEqualTo(1 << 20);
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void leavesLeasesAlone() {
            MlxBuffer buffer = pool.alloc(1000, DType.U8);
            assertThat(pool.clear()).isZero();
            buffer.segment().fill((byte) 1);
            buffer.close();
        }

        @Test
        void toANegativeSizeIsRefused() {
            assertThatIllegalArgumentException().isThrownBy(() -> pool.trim(-1)).withMessageContaining("not -1");
        }
    }

    @Nested
    class Closing {
        @Test
        void freesCachedMemoryAtOnce() {
            pool.alloc(1 << 20, DType.U8).close();
            pool.close();
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void refusesNewLeases() {
            pool.close();
            pool.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> pool.alloc(1, DType.U8))
                    .withMessage("the pool is closed");
            assertThatIllegalStateException().isThrownBy(pool::scope);
            assertThatIllegalStateException().isThrownBy(pool::confinedScope);
            assertThat(pool.clear()).isZero();
            pool.reset();
        }

        @Test
        void leavesActiveLeasesToTheirHolders() {
            MlxBuffer first = pool.alloc(1 << 20, DType.U8);
            MlxBuffer second = pool.alloc(1 << 20, DType.U8);
            pool.close();
            assertClosedWith(2, "2,097,152 bytes");
            first.segment().fill((byte) 3);
            first.close();
            assertThat(pool.stats().activeCount()).isEqualTo(1);
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
            pool.release(second);
            AllocatedBytes.assertBackTo(device, bytesBefore);
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(0L, PoolStats::footprintBytes);
        }

        @Test
        void freesParkedMemoryWhenItsFenceCompletes() {
            pool.release(pool.alloc(1 << 20, DType.U8), event.at(1));
            pool.close();
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
            event.signal(1);
            Async.await(() -> pool.stats().parkedCount() == 0);
        }

        @Test
        void waitsWithAFewThreadsForAllParkedMemory() {
            for (int value = 1; value <= 100; value++) {
                pool.release(pool.alloc(DType.U8, 100), event.at(value));
            }
            Set<Thread> before = Thread.getAllStackTraces().keySet();
            pool.close();
            assertThat(Thread.getAllStackTraces().keySet())
                    .filteredOn(thread -> !before.contains(thread))
                    .filteredOn(thread -> thread.getName().equals("mlx-fence-wait"))
                    .hasSizeBetween(1, 8);
            event.signal(60);
            Async.await(() -> pool.stats().parkedCount() <= 40);
            assertThat(pool.stats().parkedCount()).isEqualTo(40);
            event.signal(100);
            event.close();
            AllocatedBytes.assertBackTo(witness, bytesBefore);
            assertThat(log.with("")).isEmpty();
        }

        @Test
        void warnsOfActiveLeases() {
            MlxBuffer buffer = pool.alloc(DType.U8, 1000);
            pool.alloc(DType.U8, 1000).close();
            pool.close();
            assertClosedWith(1, "1,024 bytes");
            buffer.close();
        }

        @Test
        void allowsReleaseWithAFenceAfterwards() {
            MlxBuffer buffer = pool.alloc(1 << 20, DType.U8);
            pool.close();
            assertClosedWith(1, "1,048,576 bytes");
            pool.release(buffer, event.at(1));
            assertThat(pool.stats().parkedCount()).isEqualTo(1);
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
        }

        @Test
        void ofTheDeviceStopsThePool() {
            MlxBuffer active = pool.alloc(1000, DType.U8);
            pool.alloc(1000, DType.U8).close();
            MlxScope scope = pool.scope();
            MlxBuffer scoped = scope.alloc(1000, DType.U8);
            device.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> pool.alloc(1000, DType.U8))
                    .withMessage("the device is closed");
            assertThatIllegalStateException().isThrownBy(() -> scope.alloc(1000, DType.U8));
            active.segment().fill((byte) 1);
            scoped.segment().fill((byte) 1);
            scope.close();
            pool.release(active);
            assertThat(pool.stats().deviceAllocatedBytes()).isEqualTo(witness.allocatedBytes());
            pool.clear();
            AllocatedBytes.assertBackTo(witness, bytesBefore);
            assertThat(pool.stats().deviceAllocatedBytes()).isZero();
        }
    }

    @Nested
    class Scopes {
        @ParameterizedTest
        @ValueSource(booleans = {false, true})
        void returnEverythingAndEndEverySegment(boolean confined) {
            MlxScope scope = confined ? pool.confinedScope() : pool.scope();
            MlxBuffer buffer = scope.alloc(DType.F32, 100);
            MemorySegment segment = buffer.segment();
            MemorySegment slice = buffer.slice(16, DType.U8, 4).segment();
            MemorySegment handle = buffer.slice(16, DType.U8, 4).handle();
            MemorySegment raw = scope.allocate(100, 8);
            MemorySegment text = scope.allocateFrom("text");
            assertThat(pool.stats().activeCount()).isEqualTo(3);
            assertThat(scope).hasToString("MlxScope[3 buffers]");
            scope.close();
            scope.close();
            assertThat(buffer.isReleased()).isTrue();
            for (MemorySegment stale : List.of(segment, slice, raw, text)) {
                assertThatIllegalStateException().isThrownBy(() -> stale.get(JAVA_BYTE, 0));
            }
            assertThat(handle.scope().isAlive()).isFalse();
            assertThat(pool.stats().activeCount()).isZero();
            assertThat(pool.stats().parkedCount()).isZero();
            assertThat(scope.scope().isAlive()).isFalse();
            assertThatIllegalStateException()
                    .isThrownBy(() -> scope.alloc(DType.U8, 1))
                    .withMessage("the scope is closed");
            assertThatIllegalStateException().isThrownBy(() -> scope.allocate(1, 1));
            assertThat(scope.toString()).endsWith("closed]");
        }

        @Test
        void allocateSegmentsOfAnySizeAndAlignment() {
            try (MlxScope scope = pool.scope()) {
                for (long size : new long[] {0, 1, 100, 4096, 70_000}) {
                    for (long alignment = 1; alignment <= 1 << 20; alignment *= 2) {
                        MemorySegment segment = scope.allocate(size, alignment);
                        assertThat(segment.byteSize()).isEqualTo(size);
                        assertThat(segment.address() % alignment).isZero();
                        assertThat(segment.scope()).isEqualTo(scope.scope());
                        segment.fill((byte) 1);
                    }
                }
                assertThat(scope.allocateFrom("Grüße").getString(0)).isEqualTo("Grüße");
            }
        }

        @Test
        void refuseImpossibleSegments() {
            try (MlxScope scope = pool.scope()) {
                assertThatIllegalArgumentException().isThrownBy(() -> scope.allocate(-1, 1));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.allocate(1, 0));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.allocate(1, 3));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.allocate(Long.MAX_VALUE, 1));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.allocate(Long.MAX_VALUE, 1L << 62));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.allocate(1, 1L << 62));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.alloc(0, DType.U8));
                assertThatIllegalArgumentException().isThrownBy(() -> scope.alloc(DType.U8, -1));
            }
        }

        @Test
        void keepMemoryThatIsReleasedEarlyUntilTheyClose() {
            MlxScope scope = pool.scope();
            MlxBuffer closed = scope.alloc(DType.U8, 100);
            MlxBuffer released = scope.alloc(DType.U8, 100);
            MlxBuffer fenced = scope.alloc(DType.U8, 100);
            closed.close();
            closed.close();
            pool.release(released);
            pool.release(fenced, event.at(1));
            assertThatIllegalStateException().isThrownBy(() -> pool.release(closed));
            assertThat(List.of(closed, released, fenced)).allMatch(MlxBuffer::isReleased);
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(3, PoolStats::parkedCount);
            MlxBuffer next = scope.alloc(DType.U8, 100);
            assertThat(next.block()).isNotIn(closed.block(), released.block(), fenced.block());
            scope.close();
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(1, PoolStats::parkedCount);
            event.signal(1);
            assertThat(pool.stats().parkedCount()).isZero();
        }

        @Test
        void areNotEndedByAResetOfThePool() {
            try (MlxScope scope = pool.scope()) {
                MlxBuffer scoped = scope.alloc(DType.U8, 100);
                MlxBuffer other = pool.alloc(DType.U8, 100);
                pool.reset();
                assertThat(other.isReleased()).isTrue();
                assertThat(scoped.isReleased()).isFalse();
                scoped.segment().fill((byte) 1);
            }
        }

        @Test
        void mayOutliveThePool() {
            MlxScope scope = pool.scope();
            MlxBuffer buffer = scope.alloc(DType.U8, 1 << 20);
            scope.alloc(DType.U8, 1 << 20).close();
            pool.close();
            assertClosedWith(1, "1,048,576 bytes");
            buffer.segment().fill((byte) 1);
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
            scope.close();
            assertThat(pool.stats().footprintBytes()).isZero();
        }

        @Test
        void areUsedFromAnyThread() throws Exception {
            try (MlxScope scope = pool.scope()) {
                Thread thread = Thread.ofVirtual()
                        .start(() -> scope.alloc(DType.U8, 100).segment().fill((byte) 1));
                thread.join();
                assertThat(pool.stats().activeCount()).isEqualTo(1);
            }
        }

        @Test
        void thatAreConfinedRefuseOtherThreads() throws Exception {
            try (MlxScope scope = pool.confinedScope()) {
                MlxBuffer buffer = scope.alloc(DType.U8, 100);
                List<Throwable> refusals = new ArrayList<>();
                Thread thread = Thread.ofPlatform().start(() -> {
                    for (Runnable action : List.<Runnable>of(
                            () -> scope.alloc(DType.U8, 1),
                            () -> scope.allocate(1, 1),
                            scope::close,
                            buffer::close,
                            () -> pool.release(buffer),
                            () -> buffer.segment().get(JAVA_BYTE, 0))) {
                        try {
                            action.run();
                        } catch (RuntimeException e) {
                            refusals.add(e);
                        }
                    }
                });
                thread.join();
                assertThat(refusals).hasSize(6).allMatch(WrongThreadException.class::isInstance);
                assertThat(buffer.isReleased()).isFalse();
            }
        }

        @Test
        void stayOpenWhileANativeCallUsesThem() throws Exception {
            MlxScope scope = pool.scope();
            MlxBuffer buffer = scope.alloc(DType.U8, 100);
            try (BlockingCall call = BlockingCall.on(buffer.segment())) {
                assertThatIllegalStateException().isThrownBy(scope::close);
                assertThat(buffer.isReleased()).isFalse();
            }
            scope.close();
            assertThat(buffer.isReleased()).isTrue();
            assertThat(pool.freeBytes()).isEqualTo(pool.stats().footprintBytes());
        }
    }
}
