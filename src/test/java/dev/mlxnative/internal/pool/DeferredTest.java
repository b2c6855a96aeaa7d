package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class DeferredTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final Deferred.Sweep sweep = new Deferred.Sweep(1, 1000);

    @Test
    void nothingToDoIsOneValue() {
        assertThat(Deferred.of(List.of(), TrimCause.LIMIT, null)).isSameAs(Deferred.NOTHING);
        assertThat(Deferred.NOTHING.freeingBytes()).isZero();
    }

    @Test
    void memoryToFreeAndASweepAreKept() {
        var memories = List.of(source.allocate(256), source.allocate(512));
        Deferred deferred = Deferred.of(memories, TrimCause.IDLE, sweep);
        assertThat(deferred).isEqualTo(new Deferred(memories, TrimCause.IDLE, sweep, false));
        assertThat(deferred.freeingBytes()).isEqualTo(768);
        assertThat(Deferred.of(List.of(), TrimCause.IDLE, sweep).sweep()).isEqualTo(sweep);
        assertThat(Deferred.of(memories, TrimCause.IDLE, null).freeing()).isEqualTo(memories);
    }
}
