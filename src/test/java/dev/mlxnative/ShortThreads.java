package dev.mlxnative;

import java.lang.foreign.SymbolLookup;
import java.util.ArrayList;
import java.util.List;

/**
 * The main class of a forked JVM with a heap of fixed size: starts platform and virtual threads that each make every
 * kind of native call once and end. It prints the bytes that are left on the device, the native objects that are left
 * if the library counts them, and the bytes by which the process grew during the last four fifths of the threads.
 */
final class ShortThreads {
    private static final int AT_ONCE = 50;

    private ShortThreads() {}

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        try (MlxDevice device = MlxDevice.open()) {
            long before = device.allocatedBytes();
            run(device, count / 5);
            long resident = ResidentMemory.bytes();
            run(device, count - count / 5);
            System.out.println(device.allocatedBytes() - before);
            System.out.println(isTestBuild() ? NativeFaults.liveBuffers() + NativeFaults.liveEvents() : 0);
            System.out.println(ResidentMemory.bytes() - resident);
        }
    }

    private static boolean isTestBuild() {
        return SymbolLookup.loaderLookup().find("mlxshim_faults_clear").isPresent();
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
