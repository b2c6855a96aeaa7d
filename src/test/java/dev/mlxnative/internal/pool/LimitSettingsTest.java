package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LimitSettingsTest {
    private final LimitSettings settings = new LimitSettings(1, 2, 3, 4, 5, 6, 7);

    @Test
    void aChangeKeepsTheOtherSettings() {
        assertThat(settings.withMemoryLimit(9)).isEqualTo(new LimitSettings(9, 2, 3, 4, 5, 6, 7));
        assertThat(settings.withCacheLimit(9)).isEqualTo(new LimitSettings(1, 9, 3, 4, 5, 6, 7));
        assertThat(settings.withBufferLimit(9)).isEqualTo(new LimitSettings(1, 2, 9, 4, 5, 6, 7));
        assertThat(settings.withRoundToPagesAbove(9)).isEqualTo(new LimitSettings(1, 2, 3, 9, 5, 6, 7));
        assertThat(settings.withTrimIdleNanos(9)).isEqualTo(new LimitSettings(1, 2, 3, 4, 9, 6, 7));
        assertThat(settings.withOfferIdleNanos(9)).isEqualTo(new LimitSettings(1, 2, 3, 4, 5, 9, 7));
        assertThat(settings.withWaitNanos(9)).isEqualTo(new LimitSettings(1, 2, 3, 4, 5, 6, 9));
    }
}
