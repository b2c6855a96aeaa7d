package dev.mlxnative.bench.soak;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;

/**
 * What the process needs when there is nothing that it could do without.
 *
 * @param heapBytes live objects
 * @param residentBytes pages of the process in memory; 0 where the system does not tell
 */
record ProcessMemory(long heapBytes, long residentBytes) {

    /** A collection can leave what a cleaner has to let go of first. */
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
        } catch (IOException e) { // a container without it
            return 0;
        }
    }
}
