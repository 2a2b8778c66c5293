def pytest_configure(config):
    config.addinivalue_line("markers", "slow: models of their full size; ctest runs these under the label slow")
