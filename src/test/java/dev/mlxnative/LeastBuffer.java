package dev.mlxnative;

import dev.mlxnative.internal.device.DeviceTraits;

/**
 * The smallest native buffer of a pool. A request for as many bytes gets one of its own, unless free memory serves it.
 */
final class LeastBuffer {
    private LeastBuffer() {}

    static long bytes(MlxDevice device, Sizing sizing) {
        DeviceTraits traits = device.nativeDevice().traits();
        return switch (sizing) {
            case POWER_OF_TWO -> traits.pageSize();
            case COMPACT -> traits.chunkUnit();
        };
    }
}
