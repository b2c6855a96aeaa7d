package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** A pool as it comes. */
class PoolTest extends PowerOfTwoContract {
    @Override
    MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
        return builder;
    }

    @Nested
    class StaleSegments {
        @Test
        void seeTheNextContentsOrThrow() {
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

        @Test
        void inANativeCallDelayTheEndOfTheirMemory() throws Exception {
            MlxBuffer buffer = pool.alloc(DType.U8, 1 << 20);
            try (BlockingCall call = BlockingCall.on(buffer.segment())) {
                buffer.close();
                assertThat(pool.clear()).isEqualTo(1 << 20);
                assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
            }
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }
    }

    @Test
    void reusedMemoryHoldsWhatWasLeftInIt() {
        MlxBuffer buffer = pool.alloc(DType.U8, 100);
        buffer.segment().fill((byte) 5);
        buffer.close();
        MlxBuffer next = pool.alloc(DType.U8, 100);
        assertThat(next.segment().toArray(JAVA_BYTE)).containsOnly(5);
        next.close();
    }
}
