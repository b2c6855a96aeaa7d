package dev.mlxnative.internal.device;

/**
 * The numbers of a device that decide how memory is sized and how much of it there can be.
 *
 * @param pageSize bytes of a page of memory on this machine
 * @param maxBufferLength bytes of the largest buffer
 * @param maxBufferCount buffers that can be alive at once; 499,000 on Metal, as MLX found out
 * @param offsetAlignment the largest alignment that the API asks of an offset into a buffer, in bytes; 256 on Metal
 * @param chunkUnit bytes that the size of a shared native buffer is a multiple of: 16,384, the page of Apple silicon,
 *     also where pages are smaller, so that figures of one machine hold for all
 * @param maxResidencySets sets that a command queue takes (Apple, {@code MTLCommandQueue addResidencySet:}); 32
 */
public record DeviceTraits(
        long pageSize,
        long maxBufferLength,
        long maxBufferCount,
        long offsetAlignment,
        long chunkUnit,
        int maxResidencySets) {

    private static final long METAL_BUFFER_COUNT = 499_000;
    private static final long METAL_OFFSET_ALIGNMENT = 256;
    private static final long METAL_PAGE = 16_384;
    private static final int METAL_RESIDENCY_SETS = 32;

    /** The traits of Metal, which the host backend shares so that both behave alike. */
    public static DeviceTraits ofMetal(long pageSize, long maxBufferLength) {
        return new DeviceTraits(
                pageSize,
                maxBufferLength,
                METAL_BUFFER_COUNT,
                METAL_OFFSET_ALIGNMENT,
                METAL_PAGE,
                METAL_RESIDENCY_SETS);
    }
}
