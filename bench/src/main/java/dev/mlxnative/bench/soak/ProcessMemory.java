package dev.mlxnative.bench.soak;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;

/**
 * The memory of the process after a garbage collection.
 *
 * @param heapBytes the bytes of the live objects
 * @param residentBytes the bytes of the process's resident pages; 0 if the system does not report them
 */
record ProcessMemory(long heapBytes, long residentBytes) {

    /** More than one, because cleaners hold some objects until after the first collection. */
    private static final int COLLECTIONS = 3;

    private static final long KIBIBYTE = 1024;

    static ProcessMemory now() {
        for (int i = 0; i < COLLECTIONS; i++) {
            System.gc();
        }
        long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
        return new ProcessMemory(heap, residentNow());
    }

    private static long residentNow() {
        long pid = ProcessHandle.current().pid();
        try {
            Process ps = new ProcessBuilder("ps", "-o", "rss=", "-p", Long.toString(pid)).start();
            String kibibytes = new String(ps.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return kibibytes.isBlank() ? 0 : Long.parseLong(kibibytes.strip()) * KIBIBYTE;
        } catch (IOException e) { // a container without ps
            return 0;
        }
    }
}
