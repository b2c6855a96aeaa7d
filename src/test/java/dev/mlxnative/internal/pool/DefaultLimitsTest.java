package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

class DefaultLimitsTest {
    private static final long NINE_TENTHS =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize() / 10 * 9;

    private final FakeMemorySource source = new FakeMemorySource();

    @Test
    void itIsWhatTheDeviceRecommends() {
        source.recommendedBytes = 1;
        assertThat(DefaultLimits.of(source).memoryLimit()).isEqualTo(1);
    }

    @Test
    void itIsAtMostNineTenthsOfThePhysicalMemory() {
        source.recommendedBytes = Long.MAX_VALUE;
        assertThat(DefaultLimits.of(source).memoryLimit()).isEqualTo(NINE_TENTHS);
    }

    @Test
    void anEighthOfItMayBeFree() {
        source.recommendedBytes = 800;
        assertThat(DefaultLimits.of(source).cacheLimit()).isEqualTo(100);
    }

    @Test
    void aDeviceMayRecommendNothing() {
        source.recommendedBytes = 0;
        assertThat(DefaultLimits.of(source).memoryLimit()).isEqualTo(NINE_TENTHS);
    }
}
