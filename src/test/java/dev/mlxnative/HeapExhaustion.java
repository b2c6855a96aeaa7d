package dev.mlxnative;

import java.util.ArrayList;
import java.util.List;

/**
 * The main class of a forked JVM with a small heap, which makes each call while the heap is full but for some bytes:
 * for none, and then for more and more, until the call has enough. One allocation after another is so the first to
 * fail. Prints how many calls had to fail, for each pool.
 */
final class HeapExhaustion {
    private static final int BALLAST = 256 << 10;
    /** How many pieces of ballast are left for the calls. */
    private static final int KEPT_FREE = 8;

    private static final int LARGEST = 4096;
    private static final int MOST_LEFT = 384;

    private HeapExhaustion() {}

    public static void main(String[] arguments) throws Exception {
        int step = Integer.parseInt(arguments[0]);
        List<VmErrors> pools = VmErrors.all();
        Filler filler = new Filler();
        filler.fillMost();
        for (VmErrors pool : pools) {
            long failures = 0;
            List<VmErrors.Step> calls = pool.steps();
            for (int number = 0; number < calls.size(); number++) {
                VmErrors.Step call = calls.get(number);
                for (int i = 0; i < 20; i++) {
                    call.run();
                }
                // Other numbers for each call, since every allocation is to be the first that fails.
                for (int left = 16 * number % step; left < MOST_LEFT; left += step) {
                    if (fails(filler, call, left)) {
                        failures++;
                    }
                    pool.check("step " + number + " with " + left + " bytes left");
                }
            }
            pool.checkEmptied("at the end");
            pool.close();
            System.out.println(failures);
        }
    }

    private static boolean fails(Filler filler, VmErrors.Step call, int left) throws Exception {
        filler.fillAllBut(left);
        try {
            call.run();
            return false;
        } catch (OutOfMemoryError expected) {
            return true;
        } finally {
            filler.empty();
        }
    }

    /** Fills the heap: most of it once, the rest for each call. */
    private static final class Filler {
        /** Large and without references, so that a collection is fast. */
        private final List<byte[]> ballast = new ArrayList<>();

        private byte[] reserve;
        private Object[] last;

        void fillMost() {
            try {
                while (true) {
                    ballast.add(new byte[BALLAST]);
                }
            } catch (OutOfMemoryError full) {
                ballast.subList(ballast.size() - KEPT_FREE, ballast.size()).clear();
            }
        }

        void fillAllBut(int left) {
            reserve = new byte[left];
            for (int length = LARGEST; length > 0; length /= 64) {
                fill(length);
            }
            reserve = null;
        }

        /** Adds arrays of references, each of which refers to the one before. */
        private void fill(int length) {
            try {
                while (true) {
                    Object[] next = new Object[length];
                    next[0] = last;
                    last = next;
                }
            } catch (OutOfMemoryError full) {
                // Not for shorter ones.
            }
        }

        void empty() {
            last = null;
        }
    }
}
