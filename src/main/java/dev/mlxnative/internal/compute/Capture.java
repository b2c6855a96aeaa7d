package dev.mlxnative.internal.compute;

import dev.mlxnative.MlxException;
import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.shim.ComputeShim;

/** The recording of the GPU's work for Xcode, of which a process has one at a time. */
public final class Capture {
    private Capture() {}

    /** Starts a recording; false if the system allows none, which is logged. */
    public static boolean start(NativeDevice device, String path) {
        try {
            device.handle().use(opened -> {
                ComputeShim.startCapture(opened, path);
                return true;
            });
            return true;
        } catch (UnsupportedOperationException | IllegalArgumentException | MlxException e) {
            Log.warn("the GPU's work is not recorded to " + path, e);
            return false;
        }
    }

    /** Ends the recording, if there is one. */
    public static void stop() {
        ComputeShim.stopCapture();
    }
}
