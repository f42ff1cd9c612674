"""The board: ports, pure logic, thin adapters and honest simulators."""
