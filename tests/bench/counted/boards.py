"""Published properties of the processors in galleries, on which the predictions are based.

Nothing here was measured by us. Sources, as read in 2026:

- *Width*: instructions that can be dispatched per cycle. Cortex-A72: three (Arm's software
  optimisation guide, UAN 0016A). Cortex-A76: four (Wikipedia, "ARM Cortex-A76").
- *Vectors*: arithmetic vector instructions per cycle of a whole Linpack on one core, each of
  which is two multiply-adds of double precision. Cortex-A72, Pi 4 at 1.8 GHz: 5.82 Gflop/s
  (https://github.com/flame/blis/issues/754). Cortex-A76, Pi 5 at 2.4 GHz: 16.07 Gflop/s
  (https://github.com/OpenMathLib/OpenBLAS/issues/4581).
- *Slow IPC*: instructions per cycle of a program with many stalls. Cortex-A72: 0.88, `ls` on a Pi 4
  (https://github.com/SE-Processor-Fuzzing/control-hazard-analyzer/issues/65). Cortex-A76: Arm
  gives the related Neoverse N1 1.6 to 1.7 times the A72's instructions per cycle in SPECint
  (https://www.anandtech.com/show/13959); the lower of the two.
- *7-Zip*: rating of `7z b -mmt1`, as sbc-bench takes it (https://github.com/ThomasKaiser/sbc-bench):
  results/reviews/RPi-5B-Rev1.1.md, results/Sorted-Results.md (Pi 4 at 1.8 GHz, Raspberry Pi OS
  Bullseye arm64), issue 65 (Orin Nano at 1.51 GHz).
- *Linpack*: Gflop/s as above. None of an Orin Nano was found: the Cortex-A78AE, which has the same
  two vector pipes, is assumed to do as much per cycle as the Cortex-A76.
- Clocks: Raspberry Pi's product pages; NVIDIA's data sheets of the Jetson Orin Nano (1.5 GHz) and
  of its developer kit in "Super" mode (1.7 GHz).
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Core:
    """What a core executes per cycle.

    Attributes
    ----------
    cpu : its name in QEMU and of the file of its counts
    width : instructions, at most
    vectors : arithmetic vector instructions, in the fastest real program
    slow_ipc : instructions, in a program with many stalls
    """

    cpu: str
    width: float
    vectors: float
    slow_ipc: float


@dataclass(frozen=True)
class Board:
    """A board; the scores are those of one core.

    Attributes
    ----------
    cores : number of cores
    seven_zip : rating of 7-Zip's benchmark
    linpack : Gflop/s in double precision
    """

    name: str
    core: Core
    clock_ghz: float
    cores: int
    seven_zip: float
    linpack: float

    def at(self, name: str, clock_ghz: float) -> Board:
        """The same board at another clock, with its scores scaled."""
        faster = clock_ghz / self.clock_ghz
        return replace(
            self,
            name=name,
            clock_ghz=clock_ghz,
            seven_zip=self.seven_zip * faster,
            linpack=self.linpack * faster,
        )


FLOPS = 4  # of double precision, in one vector multiply-add
A72 = Core("cortex-a72", width=3, vectors=5.82 / 1.8 / FLOPS, slow_ipc=0.88)
A76 = Core("cortex-a76", width=4, vectors=16.07 / 2.4 / FLOPS, slow_ipc=1.6 * 0.88)

PI_5 = Board("Pi 5", A76, 2.4, 4, seven_zip=3305, linpack=16.07)
PI_4 = Board("Pi 4", A72, 1.8, 4, seven_zip=1769, linpack=5.82)
ORIN_NANO = Board("Orin Nano", A76, 1.51, 6, seven_zip=2153, linpack=16.07 * 1.51 / 2.4)
BOARDS = (
    PI_5,
    PI_4,
    PI_4.at("Pi 4, at first", 1.5),
    ORIN_NANO,
    ORIN_NANO.at("Orin Nano Super", 1.7),
)
