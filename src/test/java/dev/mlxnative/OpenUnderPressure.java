package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * The main class of a forked JVM: opens devices while the stack or the heap is too small, by less each time, and then
 * with room. Prints the classes of what was thrown, and the backend that was opened last. Such an error makes a class
 * unusable if it meets its initialiser, so the loops use no class that is not in use before.
 */
final class OpenUnderPressure {
    private static final int ENOUGH = 3;
    private static final int SMALL_STACK = 512 << 10;
    private static final int PIECE = 16 << 10;

    private final Class<?>[] thrown = new Class<?>[100_000];
    private int failures;
    private int successes;

    public static void main(String[] arguments) throws Exception {
        // The JDK's class loader loses a folder of the class path if the stack overflows while it opens the folder.
        Class.forName(MlxDevice.class.getName());
        OpenUnderPressure pressure = new OpenUnderPressure();
        switch (arguments[0]) {
            case "stack" -> pressure.exhaustStack();
            case "heap" -> pressure.exhaustHeap();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        TreeSet<String> classes = new TreeSet<>();
        for (int i = 0; i < pressure.failures; i++) {
            classes.add(pressure.thrown[i].getSimpleName());
        }
        System.out.println(classes + ", then " + OpenDevice.open());
    }

    private void open() {
        try {
            MlxDevice.open().close();
            successes++;
        } catch (Throwable e) {
            thrown[failures] = e.getClass();
            failures++;
        }
    }

    private void exhaustStack() throws InterruptedException {
        Thread thread = new Thread(null, this::descend, "small stack", SMALL_STACK);
        thread.start();
        thread.join();
    }

    /** Fills the stack, and opens a device in each frame on the way back. */
    private void descend() {
        try {
            descend();
        } catch (StackOverflowError e) {
            // The caller's frame goes on.
        }
        if (successes < ENOUGH) {
            try {
                open();
            } catch (StackOverflowError e) {
                // There was no room for the call.
            }
        }
    }

    /** Fills the heap, and opens a device after each piece that it frees. */
    private void exhaustHeap() {
        List<byte[]> pieces = new ArrayList<>(1 << 16);
        try {
            while (true) {
                pieces.add(new byte[PIECE]);
            }
        } catch (OutOfMemoryError e) {
            // The heap is full.
        }
        while (successes < ENOUGH && !pieces.isEmpty()) {
            open();
            pieces.removeLast();
        }
    }
}
