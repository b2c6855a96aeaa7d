package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;

/** What a device counts as allocated, which drivers may lower a moment after memory was given back. */
final class AllocatedBytes {
    private static final int TRIES = Integer.getInteger("mlx.test.memory.tries", 1000);

    private AllocatedBytes() {}

    /** Waits up to ten seconds, unless set otherwise, for the device to have no more and no less than this. */
    static void assertBackTo(MlxDevice device, long bytes) {
        try {
            for (int i = 0; i < TRIES && device.allocatedBytes() != bytes; i++) {
                TimeUnit.MILLISECONDS.sleep(10);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(device.allocatedBytes()).as("bytes allocated on the device").isEqualTo(bytes);
    }
}
