package dev.mlxnative;

/** There is no device of the backend that was asked for. */
public final class DeviceNotFoundException extends MlxException {
    private static final long serialVersionUID = 1L;

    DeviceNotFoundException(String message) {
        super(message);
    }
}
