"""What every adapter of a port must do, one module a port with one class `<Port>Contract`.

`tests/test_contract_<port>.py` holds a subclass for each adapter. A subclass states, as class attributes:

- `port`: the port's name, the same in every subclass (`disk`);
- `adapter`: the class it tries (`hw.disk.OsDisk`);
- `ran_on`: on what, in words for people, honest about what is emulated ("a gpiochip emulated by umockdev");
- `bench`, only for what a bench tries: the adapter's table in bench.toml ("disk.os"). Such a class is collected only
  when `pytest --bench bench.toml` names that table (tests/conftest.py); the fixture `bench_table` holds the table's
  settings (hil/bench_file.py). There `ran_on` says where it has run so far: "no hardware yet", if so.

`python -m tests.contract.table` writes the table of all of them into docs/hardware.md.
"""
