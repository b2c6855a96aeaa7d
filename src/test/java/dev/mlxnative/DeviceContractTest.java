package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of devices, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
class DeviceContractTest {
    private final MlxDevice device = MlxDevice.open();

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void describesItself() {
        DeviceInfo info = device.info();
        assertThat(info.name()).isNotBlank();
        assertThat(info.maxBufferLength()).isGreaterThan(1 << 20);
        assertThat(info.recommendedMaxWorkingSetSize()).isGreaterThan(1 << 20);
        assertThat(device.handle().address()).isNotZero();
        assertThat(device).hasToString("MlxDevice[" + device.backend() + ", " + info.name() + "]");
    }

    @Test
    void everyOpenGivesADeviceOfItsOwn() {
        try (MlxDevice second = MlxDevice.open(device.backend())) {
            device.close();
            try (MlxBuffer buffer = second.allocBuffer(DType.U8, 16)) {
                assertThat(buffer.byteLength()).isEqualTo(16);
            }
        }
    }

    @Test
    void countsWhatIsAllocated() {
        long before = device.allocatedBytes();
        MlxBuffer buffer = device.allocBuffer(DType.U8, 1 << 20);
        assertThat(device.allocatedBytes()).isGreaterThanOrEqualTo(before + (1 << 20));
        buffer.close();
        AllocatedBytes.assertBackTo(device, before);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, Long.MIN_VALUE, 1L << 62, Long.MAX_VALUE})
    void impossibleLengthsAreRefusedWithTheLimits(long byteLength) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.allocBuffer(byteLength, DType.U8))
                .withMessageContainingAll("" + byteLength, "" + device.info().maxBufferLength());
    }

    @Test
    void oneByteAboveTheMaximumIsRefused() {
        long above = device.info().maxBufferLength() + 1;
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(above, DType.U8));
    }

    @Test
    void shapesMustFitAndBePossible() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> device.allocBuffer(15, DType.F32, 4))
                .withMessage("f32[4] takes 16 bytes, but there are 15");
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(DType.F32, 1L << 32, 1L << 32));
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(DType.F32, 3, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(64, DType.F32, -4));
    }

    @Test
    void aClosedDeviceMakesNothingNew() {
        device.close();
        device.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> device.allocBuffer(DType.U8, 1))
                .withMessage("the device is closed");
        assertThatIllegalStateException().isThrownBy(device::newSharedEvent);
        assertThatIllegalStateException().isThrownBy(device::handle);
        assertThatIllegalStateException().isThrownBy(device::allocatedBytes);
        assertThatIllegalStateException()
                .isThrownBy(() -> device.wrap(MemorySegment.ofAddress(1 << 20).reinterpret(1 << 16), DType.U8));
        assertThat(device.info().name()).isNotBlank();
        assertThat(device.toString()).endsWith("closed]");
    }

    @Test
    void buffersAndEventsOutliveTheirDevice() {
        MlxBuffer buffer = device.allocBuffer(DType.U8, 64);
        MlxSharedEvent event = device.newSharedEvent();
        device.close();
        assertThat(device.allocatedBytes()).isPositive();
        buffer.segment().fill((byte) 7);
        event.signal(3);
        assertThat(event.signaledValue()).isEqualTo(3);
        buffer.close();
        event.close();
        assertThatIllegalStateException().isThrownBy(device::allocatedBytes);
    }
}
