package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class SpinLockTest {
    private static final class Lock extends SpinLock {}

    private final SpinLock lock = new Lock();

    @Test
    void oneThreadHoldsIt() {
        assertThat(lock.isLocked()).isFalse();
        lock.lock();
        assertThat(lock.isLocked()).isTrue();
        assertThat(lock.tryLock()).as("it is not reentrant").isFalse();
        lock.unlock();
        assertThat(lock.isLocked()).isFalse();
        assertThat(lock.tryLock()).isTrue();
        assertThat(lock.isLocked()).isTrue();
    }

    @Test
    void aThreadThatFindsItTakenSleepsUntilItIsFree() {
        lock.lock();
        Thread thread = Thread.ofPlatform().daemon().start(() -> {
            lock.lock();
            lock.unlock();
        });
        Waiting.untilAsleep(thread);
        lock.unlock();
        Waiting.untilEnded(thread);
        assertThat(lock.isLocked()).isFalse();
    }

    @Test
    void whatItDoesNotSupportSaysSo() {
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(lock::lockInterruptibly)
                .withMessage("a spin lock is held too shortly to wait interruptibly");
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(() -> lock.tryLock(1, TimeUnit.SECONDS))
                .withMessage("a spin lock is held too shortly to wait with a time limit");
        assertThatExceptionOfType(UnsupportedOperationException.class)
                .isThrownBy(lock::newCondition)
                .withMessage("a spin lock has no conditions");
    }
}
