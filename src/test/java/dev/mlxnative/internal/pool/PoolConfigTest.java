package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PoolConfigTest {
    @Test
    void theRoundingIsThatOfTheSettingsAndTheDevice() {
        PoolConfig config = new PoolSetup().minBucketBytes(1024).config();
        assertThat(config.rounding())
                .isEqualTo(new SizeRounding(
                        1024,
                        PoolSetup.LARGEST_POWER_OF_TWO,
                        FakeMemorySource.PAGE,
                        FakeMemorySource.MAX_BUFFER_LENGTH));
    }

    @Test
    void aSmallestBucketBelowTheAlignmentOfOffsetsCountsAsThat() {
        assertThat(new PoolSetup().minBucketBytes(1).config().rounding().minimum())
                .isEqualTo(256);
        assertThat(new PoolSetup().minBucketBytes(256).config().rounding().minimum())
                .isEqualTo(256);
        assertThat(Lease.of(new PoolSetup().minBucketBytes(64).engine(), 1).capacity())
                .isEqualTo(256);
    }
}
