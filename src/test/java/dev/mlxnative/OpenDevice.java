package dev.mlxnative;

/** The main class of a forked JVM: opens the default device, and prints its backend or the exception. */
final class OpenDevice {
    private OpenDevice() {}

    public static void main(String[] arguments) {
        try (MlxDevice device = MlxDevice.open();
                MlxBuffer buffer = device.allocBuffer(DType.U8, 1)) {
            System.out.println(device.backend() + " " + buffer.capacity());
        } catch (MlxException e) {
            System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
        }
    }
}
