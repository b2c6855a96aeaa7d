package dev.mlxnative;

/** The machine, or the library that this process has loaded, has no device of the requested backend. */
public final class DeviceNotFoundException extends MlxException {
    private static final long serialVersionUID = 1L;

    /** An exception whose message says which backend is missing, and why. */
    public DeviceNotFoundException(String message) {
        super(message);
    }
}
