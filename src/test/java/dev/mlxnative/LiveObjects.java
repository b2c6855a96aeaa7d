package dev.mlxnative;

/** An assertion on the native objects that are alive. Needs a test build of the library. */
final class LiveObjects {
    private LiveObjects() {}

    /** Waits until no native object is left: threads of the library release some a moment after their last use. */
    static void assertNoneLeft() {
        Async.await(() -> count() == 0, LiveObjects::describe);
    }

    private static long count() {
        return NativeFaults.liveDevices()
                + NativeFaults.liveBuffers()
                + NativeFaults.liveEvents()
                + NativeFaults.liveComputeObjects();
    }

    private static String describe() {
        return NativeFaults.liveDevices() + " devices, " + NativeFaults.liveBuffers() + " buffers, "
                + NativeFaults.liveEvents() + " events and " + NativeFaults.liveComputeObjects()
                + " objects of compute are left";
    }
}
