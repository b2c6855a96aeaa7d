package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.mlxnative.internal.shim.Shim;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of buffers, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
class BufferContractTest {
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();

    @AfterEach
    void allMemoryIsFreed() {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    @Test
    void matchesItsRequest() {
        try (MlxBuffer buffer = device.allocBuffer(100, DType.F32, 2, 3)) {
            assertThat(buffer.dtype()).isEqualTo(DType.F32);
            assertThat(buffer.shape()).containsExactly(2, 3);
            assertThat(buffer.elementCount()).isEqualTo(6);
            assertThat(buffer.byteLength()).isEqualTo(100);
            assertThat(buffer.capacity()).isEqualTo(100);
            assertThat(buffer.segment().byteSize()).isEqualTo(100);
            assertThat(buffer.handle().address()).isNotZero();
            assertThat(buffer.handleOffset()).isZero();
            assertThat(buffer.isReleased()).isFalse();
            assertThat(buffer).hasToString("MlxBuffer[f32[2, 3], 100 bytes of 100]");
        }
    }

    @Test
    void aScalarHasOneElement() {
        try (MlxBuffer buffer = device.allocBuffer(DType.F64)) {
            assertThat(buffer.shape()).isEmpty();
            assertThat(buffer.elementCount()).isEqualTo(1);
            assertThat(buffer.byteLength()).isEqualTo(8);
        }
    }

    @Test
    void anEmptyBufferHasAHandleAndNoBytes() {
        try (MlxBuffer whole = device.allocBuffer(DType.F32, 3, 0);
                MlxBuffer sized = device.allocBuffer(0, DType.F64, 0, Long.MAX_VALUE);
                MlxBuffer roomy = device.allocBuffer(16, DType.F32, 0)) {
            assertThat(whole.shape()).containsExactly(3, 0);
            assertThat(whole.elementCount()).isZero();
            assertThat(whole).hasToString("MlxBuffer[f32[3, 0], 0 bytes of 1]");
            for (MlxBuffer buffer : new MlxBuffer[] {whole, sized}) {
                assertThat(buffer.byteLength()).isZero();
                assertThat(buffer.capacity()).isEqualTo(1);
                assertThat(buffer.segment().byteSize()).isZero();
                assertThat(buffer.handle().address()).isNotZero();
                assertThat(buffer.handleOffset()).isZero();
                buffer.label("empty");
            }
            assertThat(roomy.byteLength()).isEqualTo(16);
            assertThat(roomy.elementCount()).isZero();
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.allocBuffer(0, DType.F32))
                .withMessageContainingAll("from 1 to", "not 0");
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(-1, DType.F32, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(DType.F32, 0, -1));
    }

    @Test
    void shapesAreCopiedInAndOut() {
        long[] shape = {2, 3};
        try (MlxBuffer buffer = device.allocBuffer(DType.U8, shape)) {
            shape[0] = 99;
            buffer.shape()[1] = 99;
            assertThat(buffer.shape()).containsExactly(2, 3);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 7, 4095, 4096, 4097, 16384, 1_000_003})
    void startsZeroedOnAPageAndHoldsWhatIsWritten(long byteLength) {
        for (int round = 0; round < 3; round++) {
            try (MlxBuffer buffer = device.allocBuffer(byteLength, DType.U8)) {
                MemorySegment segment = buffer.segment();
                assertThat(segment.address() % 4096).isZero();
                for (long i = 0; i < byteLength; i++) {
                    assertThat(segment.get(JAVA_BYTE, i)).isZero();
                }
                segment.fill((byte) 0x5A);
                assertThat(segment.get(JAVA_BYTE, byteLength - 1)).isEqualTo((byte) 0x5A);
            }
        }
    }

    @Test
    void theSegmentEndsWithTheBuffer() {
        try (MlxBuffer buffer = device.allocBuffer(DType.U8, 100)) {
            MemorySegment segment = buffer.segment();
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> segment.get(JAVA_BYTE, 100));
        }
    }

    @Test
    void closingEndsEverythingButTheDescription() {
        MlxBuffer buffer = device.allocBuffer(DType.F32, 4);
        MemorySegment segment = buffer.segment();
        MemorySegment handle = buffer.handle();
        buffer.close();
        buffer.close();
        assertThat(buffer.isReleased()).isTrue();
        assertThatIllegalStateException()
                .isThrownBy(buffer::segment)
                .withMessage("MlxBuffer[f32[4], 16 bytes of 16, released] can no longer be used");
        assertThatIllegalStateException().isThrownBy(buffer::handle);
        assertThatIllegalStateException().isThrownBy(buffer::handleOffset);
        assertThatIllegalStateException().isThrownBy(() -> buffer.slice(0, DType.U8, 1));
        assertThatIllegalStateException().isThrownBy(() -> buffer.label("late"));
        assertThatIllegalStateException().isThrownBy(() -> segment.get(JAVA_FLOAT, 0));
        assertThat(handle.scope().isAlive()).isFalse();
        assertThat(buffer.shape()).containsExactly(4);
        assertThat(buffer.byteLength()).isEqualTo(16);
        assertThat(buffer.capacity()).isEqualTo(16);
    }

    @Test
    void aSegmentInANativeCallKeepsItsMemoryUntilTheCallEnds() throws Exception {
        MlxBuffer buffer = device.allocBuffer(DType.U8, 1 << 20);
        try (BlockingCall call = BlockingCall.on(buffer.segment())) {
            buffer.close();
            assertThat(buffer.isReleased()).isTrue();
            assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
        }
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    @Test
    void labelsAreAcceptedUntilTheEnd() {
        MlxBuffer buffer = device.allocBuffer(DType.U8, 1);
        buffer.label("kv cache, layer 3: Schlüssel 鍵 🔑");
        buffer.label("");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> buffer.label("a\0b"))
                .withMessageContaining("index 1");
        assertThatNullPointerException().isThrownBy(() -> buffer.label(nothing()));
        buffer.close();
    }

    @SuppressWarnings({"NullAway", "DataFlowIssue"})
    private static String nothing() {
        return null;
    }

    @Nested
    class Slices {
        @Test
        void shareTheMemory() {
            try (MlxBuffer buffer = device.allocBuffer(DType.F32, 4, 4)) {
                MlxBuffer row = buffer.slice(32, DType.F32, 4);
                row.segment().setAtIndex(JAVA_FLOAT, 1, 2.5f);
                assertThat(buffer.segment().getAtIndex(JAVA_FLOAT, 9)).isEqualTo(2.5f);
                assertThat(row.byteLength()).isEqualTo(16);
                assertThat(row.capacity()).isEqualTo(16);
                assertThat(row.handleOffset()).isEqualTo(32);
                assertThat(row.handle()).isEqualTo(buffer.handle());
                assertThat(row.slice(4, DType.U8, 4).handleOffset()).isEqualTo(36);
                assertThat(row).hasToString("MlxBuffer[f32[4], 16 bytes of 16, slice at 32]");
            }
        }

        @Test
        void mayCoverItAll() {
            try (MlxBuffer buffer = device.allocBuffer(DType.U8, 64)) {
                assertThat(buffer.slice(0, DType.I64, 8).byteLength()).isEqualTo(64);
                assertThat(buffer.slice(63, DType.U8).byteLength()).isEqualTo(1);
            }
        }

        @Test
        void withoutElementsHaveNoBytes() {
            try (MlxBuffer buffer = device.allocBuffer(DType.F32, 8)) {
                for (long offset : new long[] {0, 5, 31}) {
                    MlxBuffer slice = buffer.slice(offset, DType.F32, 0, 4);
                    assertThat(slice.byteLength()).isZero();
                    assertThat(slice.capacity()).isZero();
                    assertThat(slice.segment().byteSize()).isZero();
                    assertThat(slice.handle()).isEqualTo(buffer.handle());
                    assertThat(slice.handleOffset()).isEqualTo(offset);
                    assertThat(slice.slice(0, DType.U8, 0).handleOffset()).isEqualTo(offset);
                }
                MlxBuffer atTheEnd = buffer.slice(32, DType.F32, 0);
                assertThat(atTheEnd.handle()).isEqualTo(buffer.handle());
                assertThat(atTheEnd.handleOffset())
                        .as("an offset that Metal accepts")
                        .isZero();
                assertThatIllegalArgumentException().isThrownBy(() -> buffer.slice(33, DType.F32, 0));
                assertThatIllegalArgumentException().isThrownBy(() -> atTheEnd.slice(0, DType.U8, 1));
            }
        }

        @Test
        void lieWithin() {
            try (MlxBuffer buffer = device.allocBuffer(DType.U8, 64)) {
                for (long offset : new long[] {-1, 61, 65, Long.MAX_VALUE, Long.MIN_VALUE}) {
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> buffer.slice(offset, DType.F32))
                            .withMessageContainingAll("4 bytes at offset " + offset, "64 bytes");
                }
                assertThatIllegalArgumentException().isThrownBy(() -> buffer.slice(0, DType.F32, 1L << 40, 1L << 40));
                MlxBuffer slice = buffer.slice(32, DType.U8, 16);
                assertThatIllegalArgumentException().isThrownBy(() -> slice.slice(0, DType.U8, 17));
            }
        }

        @Test
        void endWithTheirParentAndNeverEndIt() {
            MlxBuffer buffer = device.allocBuffer(DType.U8, 64);
            MlxBuffer closed = buffer.slice(0, DType.U8, 8);
            MlxBuffer nested = closed.slice(0, DType.U8, 4);
            MlxBuffer other = buffer.slice(8, DType.U8, 8);
            closed.close();
            assertThat(closed.isReleased()).isTrue();
            assertThat(nested.isReleased()).isTrue();
            assertThat(other.isReleased()).isFalse();
            assertThat(buffer.isReleased()).isFalse();
            buffer.close();
            assertThat(other.isReleased()).isTrue();
            assertThatIllegalStateException().isThrownBy(other::segment);
        }
    }

    @Nested
    class Wrapping {
        private final long page = Shim.pageSize();

        @Test
        void sharesTheCallersPages() {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment pages = arena.allocate(2 * page, page);
                MlxBuffer buffer = device.wrap(pages, DType.U8, 100);
                assumeThatPagesAreShared(buffer);
                assertThat(buffer.byteLength()).isEqualTo(100);
                assertThat(buffer.capacity()).isEqualTo(2 * page);
                buffer.segment().set(JAVA_BYTE, 99, (byte) 9);
                assertThat(pages.get(JAVA_BYTE, 99)).isEqualTo((byte) 9);
                buffer.close();
                assertThat(pages.get(JAVA_BYTE, 99)).isEqualTo((byte) 9);
            }
        }

        /** Skips the test on a device that copies the pages. */
        private static void assumeThatPagesAreShared(MlxBuffer buffer) {
            if (buffer.isCopy()) {
                buffer.close();
                Assumptions.abort("this device cannot share pages");
            }
        }

        @Test
        void takesAnEmptyShape() {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment pages = arena.allocate(page, page);
                for (MemorySegment wrapped : new MemorySegment[] {pages, pages.asSlice(0, 0)}) {
                    try (MlxBuffer buffer = device.wrap(wrapped, DType.F32, 2, 0)) {
                        assertThat(buffer.byteLength()).isZero();
                        assertThat(buffer.segment().byteSize()).isZero();
                        assertThat(buffer.handle().address()).isNotZero();
                        assertThat(buffer.handleOffset()).isZero();
                        assertThat(buffer.capacity()).isEqualTo(Math.max(1, wrapped.byteSize()));
                    }
                }
            }
        }

        @Test
        void asksForWholePages() {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment pages = arena.allocate(4 * page, page);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> device.wrap(pages.asSlice(16, page), DType.U8, 1))
                        .withMessageContainingAll("0x", "pages of " + page + " bytes");
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> device.wrap(pages.asSlice(0, page + 1), DType.U8, 1));
                assertThatIllegalArgumentException().isThrownBy(() -> device.wrap(pages.asSlice(0, 0), DType.U8, 1));
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> device.wrap(MemorySegment.ofArray(new byte[1 << 16]), DType.U8, 1))
                        .withMessageContaining("heap");
            }
        }

        @Test
        void asksForEnoughOfThem() {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment pages = arena.allocate(page, page);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> device.wrap(pages, DType.U8, page + 1))
                        .withMessageContainingAll("" + (page + 1), "there are " + page);
                MemorySegment beyond = MemorySegment.ofAddress(pages.address())
                        .reinterpret(device.info().maxBufferLength() / page * page + page);
                assertThatIllegalArgumentException().isThrownBy(() -> device.wrap(beyond, DType.U8, 1));
            }
        }

        @Test
        void survivesTheEndOfTheCallersArena() {
            Arena arena = Arena.ofShared();
            MlxBuffer buffer = device.wrap(arena.allocate(page, page), DType.U8, page);
            assumeThatPagesAreShared(buffer);
            MemorySegment segment = buffer.segment();
            arena.close();
            assertThatIllegalStateException().isThrownBy(() -> segment.get(JAVA_BYTE, 0));
            assertThatIllegalStateException().isThrownBy(() -> buffer.segment().get(JAVA_BYTE, 0));
            buffer.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> device.wrap(segment, DType.U8, 1))
                    .withMessageContaining("scope");
        }

        @Test
        void takesPagesThatAnotherThreadIsConfinedTo() throws Exception {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment pages = arena.allocate(page, page);
                Thread other = Thread.ofPlatform()
                        .start(() -> device.wrap(pages, DType.U8, 1).close());
                other.join();
                device.wrap(pages, DType.U8, 1).close();
            }
        }
    }
}
