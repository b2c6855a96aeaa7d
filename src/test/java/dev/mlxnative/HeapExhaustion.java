package dev.mlxnative;

import java.util.List;

/**
 * The main class of a forked JVM with a small heap, which makes each call while the heap is full but for some bytes:
 * for none, and then for more and more, until the call has enough. Each allocation that a call makes is so the first to
 * fail. Prints how many calls had to fail, for each pool.
 */
final class HeapExhaustion {
    private static final int LARGE = 1 << 16;
    private static final int SMALLEST = 16;
    private static final int MOST_LEFT = 24 << 10;

    private HeapExhaustion() {}

    public static void main(String[] arguments) throws Exception {
        int step = Integer.parseInt(arguments[0]);
        Filler filler = new Filler();
        for (VmErrors pool : VmErrors.all()) {
            long failures = 0;
            List<VmErrors.Step> calls = pool.steps();
            for (int number = 0; number < calls.size(); number++) {
                VmErrors.Step call = calls.get(number);
                call.run();
                for (int left = 0; left < MOST_LEFT; left += step) {
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

    /** Fills the heap with arrays, each of which refers to the one before. */
    private static final class Filler {
        private Object[] last;
        private byte[] reserve;

        void fillAllBut(int left) {
            reserve = left == 0 ? null : new byte[left];
            for (int bytes = LARGE; bytes >= SMALLEST; bytes /= 2) {
                fill(bytes);
            }
            reserve = null;
        }

        private void fill(int bytes) {
            try {
                while (true) {
                    Object[] next = new Object[Math.max(1, bytes / 4 - 4)];
                    next[0] = last;
                    last = next;
                }
            } catch (OutOfMemoryError full) {
                // Not for smaller ones.
            }
        }

        void empty() {
            last = null;
        }
    }
}
