package dev.mlxnative;

/**
 * The main class of a forked JVM that makes each call at every depth of a stack from far too little room to just
 * enough. Prints how many calls had to fail, for each pool.
 */
final class StackExhaustion {
    private static final long STACK_BYTES = 512 << 10;
    /** A call that succeeds this often in a row has room. */
    private static final int ENOUGH = 150;

    private StackExhaustion() {}

    public static void main(String[] arguments) throws Exception {
        for (VmErrors pool : VmErrors.all()) {
            Walker walker = new Walker(pool);
            Thread thread = new Thread(null, walker, "walker", STACK_BYTES);
            thread.start();
            thread.join();
            if (walker.failure != null) {
                throw new AssertionError(walker.failure);
            }
            pool.close();
            System.out.println(walker.overflows);
        }
    }

    private static final class Walker implements Runnable {
        private final VmErrors pool;
        private int deepest;
        private long overflows;
        private Throwable failure;

        Walker(VmErrors pool) {
            this.pool = pool;
        }

        @Override
        public void run() {
            try {
                int step = 0;
                for (VmErrors.Step call : pool.steps()) {
                    walk(call, "step " + step++);
                }
                pool.checkEmptied("at the end");
            } catch (Throwable e) {
                failure = e;
            }
        }

        private void walk(VmErrors.Step call, String situation) throws Exception {
            call.run();
            int depth = depth();
            for (int successes = 0; successes < ENOUGH && depth > 0; depth--) {
                try {
                    descend(depth, call);
                    successes++;
                } catch (StackOverflowError expected) {
                    overflows++;
                    successes = 0;
                    pool.check(situation + " at depth " + depth);
                }
            }
            if (depth == 0) {
                throw new AssertionError(situation + " never has room");
            }
        }

        /** How deep {@link #descend} can go. */
        private int depth() throws Exception {
            deepest = 0;
            try {
                descend(Integer.MAX_VALUE, () -> {});
            } catch (StackOverflowError expected) {
                // That is the question.
            }
            return deepest;
        }

        private void descend(int depth, VmErrors.Step call) throws Exception {
            if (depth == 0) {
                call.run();
            } else {
                deepest++;
                descend(depth - 1, call);
            }
        }
    }
}
