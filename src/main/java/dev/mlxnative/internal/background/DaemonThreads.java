package dev.mlxnative.internal.background;

/** Daemon threads for work that blocks. Each ends with its work. */
public final class DaemonThreads {
    private DaemonThreads() {}

    /**
     * Runs code on a platform thread of its own: blocking in native code would hold the carrier of a virtual one.
     *
     * @throws OutOfMemoryError if the process can have no more threads
     */
    public static void run(String name, Runnable code) {
        unstarted(name, code).start();
    }

    /** A thread that the caller starts. */
    public static Thread unstarted(String name, Runnable code) {
        return Thread.ofPlatform()
                .daemon()
                .name(name)
                // The thread keeps nothing of its creator reachable: it gets the system's context class loader, too.
                .inheritInheritableThreadLocals(false)
                .group(rootGroup())
                .unstarted(code);
    }

    private static ThreadGroup rootGroup() {
        ThreadGroup group = Thread.currentThread().getThreadGroup();
        while (group.getParent() != null) {
            group = group.getParent();
        }
        return group;
    }
}
