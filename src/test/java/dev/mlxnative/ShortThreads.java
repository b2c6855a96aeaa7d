package dev.mlxnative;

import java.io.IOException;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * For a forked JVM with a heap of one size: threads, platform and virtual, that each make every kind of native call
 * once and end. Prints the bytes that they leave on the device, the objects if the library counts them, and the bytes
 * by which the process grew over the last four fifths.
 */
final class ShortThreads {
    private static final int AT_ONCE = 50;

    private ShortThreads() {}

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        try (MlxDevice device = MlxDevice.open()) {
            long before = device.allocatedBytes();
            run(device, count / 5);
            long resident = residentBytes();
            run(device, count - count / 5);
            System.out.println(device.allocatedBytes() - before);
            System.out.println(isTestBuild() ? NativeFaults.liveBuffers() + NativeFaults.liveEvents() : 0);
            System.out.println(residentBytes() - resident);
        }
    }

    private static boolean isTestBuild() {
        return SymbolLookup.loaderLookup().find("mlxshim_faults_clear").isPresent();
    }

    /** This process's memory that is really there; 0 on systems without /proc. */
    private static long residentBytes() throws IOException {
        Path statistics = Path.of("/proc/self/smaps_rollup");
        if (!Files.exists(statistics)) {
            return 0;
        }
        for (String line : Files.readAllLines(statistics)) {
            if (line.startsWith("Rss:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
            }
        }
        throw new IOException(statistics + " has no line with Rss");
    }

    private static void run(MlxDevice device, int count) throws InterruptedException {
        for (int started = 0; started < count; started += AT_ONCE) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < AT_ONCE; i++) {
                Runnable task = () -> useEverything(device);
                threads.add(
                        i % 2 == 0
                                ? Thread.ofPlatform().start(task)
                                : Thread.ofVirtual().start(task));
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
    }

    private static void useEverything(MlxDevice shared) {
        try (MlxDevice device = MlxDevice.open();
                MlxBuffer buffer = device.allocBuffer(DType.U8, 5000);
                MlxSharedEvent event = shared.newSharedEvent()) {
            buffer.label("short-lived");
            buffer.segment().fill((byte) 1);
            event.signal(1);
            event.at(1).await();
            if (event.signaledValue() != 1 || shared.allocatedBytes() < 5000) {
                throw new AssertionError("lost count");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
