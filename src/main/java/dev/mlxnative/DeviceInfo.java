package dev.mlxnative;

/**
 * A device's properties, which do not change.
 *
 * @param name the system's name for it: {@code "Apple M3 Max"}
 * @param registryId the id in the system's registry, equal in every process; 0 for host memory
 * @param unifiedMemory whether CPU and GPU share one memory
 * @param maxBufferLength bytes of the largest single buffer
 * @param recommendedMaxWorkingSetSize bytes that all buffers together can take before the machine slows down
 */
public record DeviceInfo(
        String name, long registryId, boolean unifiedMemory, long maxBufferLength, long recommendedMaxWorkingSetSize) {}
