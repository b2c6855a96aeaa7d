package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SizeBinsTest {
    @Test
    void aBinHoldsAnEighthOfAnOctave() {
        assertThat(SizeBins.of(1024)).isEqualTo(80);
        assertThat(SizeBins.of(1024 + 127)).isEqualTo(80);
        assertThat(SizeBins.of(1024 + 128)).isEqualTo(81);
        assertThat(SizeBins.of(2047)).isEqualTo(87);
        assertThat(SizeBins.of(2048)).isEqualTo(88);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 7, 8, 15, 16, 255, 256, 1L << 34, Long.MAX_VALUE - 1})
    void theBinGrowsWithTheCapacity(long capacity) {
        assertThat(SizeBins.of(capacity + 1)).isGreaterThanOrEqualTo(SizeBins.of(capacity));
    }

    @Test
    void everyCapacityHasABin() {
        assertThat(SizeBins.of(1)).isZero();
        assertThat(SizeBins.of(Long.MAX_VALUE)).isEqualTo(503).isLessThan(SizeBins.COUNT);
    }
}
